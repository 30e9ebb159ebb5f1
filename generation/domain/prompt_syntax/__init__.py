"""What Stable Diffusion users write in prompts: weights, BREAK, choices, wildcards and prompt travel. Pure.

A prompt is read in three steps. `templates` draws one text from `{red|blue}` and `__name__`; `travel` splits that text
by its times (`0: a | 2s: b`); `weights` turns each part into fragments with weights, in chunks divided by BREAK. Each
takes time linear in the length of the text, and reports what it cannot understand as a `Problem`.
"""
