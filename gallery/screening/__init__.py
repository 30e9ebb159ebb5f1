"""The safety check that ships: when it looks at a video, what it remembers, and what follows from the scores.

Private videos are nobody's business and are not looked at. Sharing one asks for a check; until it has passed, only its
owner sees it (`VideoQuerySet.shown`). A worker of the queue `cpu` looks once and stores the scores; a new threshold is
applied to those. What fails stays unseen, is retried, and is never shown for want of a result.
"""
