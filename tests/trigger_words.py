"""Operators' catalogues with textual inversions, whose files are there."""

EMBEDDING = """
[embeddings.{word}]
label = "Label of {word}"
purpose = "What {word} is for."
family = "{family}"
builtin = true
folder = "motion-adapter"
weights = "{weights}"
licence = "as AuraVideo"
"""


def embeddings(*words: str, family: str = "tiny", weights: str = "config.json") -> str:
    """Return the entries of textual inversions with these words as their IDs."""
    return "".join(EMBEDDING.format(word=word, family=family, weights=weights) for word in words)
