"""The shape of a clip as a CSS class.

A row of pictures of one height needs the ratio of each as a number, and the Content-Security-Policy refuses inline
styles. So every picture gets the class of the nearest of these ratios, which are close enough that the few pixels
beyond it can be cut off. static/css/screens.css has the same list.
"""

from typing import Protocol

from django import template

register = template.Library()

_TALL = (
    (1, 3), (5, 14), (5, 13), (5, 12), (4, 9), (9, 19), (1, 2), (8, 15), (9, 16), (3, 5), (5, 8), (2, 3), (5, 7),
    (3, 4), (4, 5), (6, 7), (10, 11), (19, 20),
)  # fmt: skip
RATIOS = {
    f"shape-{width}-{height}": width / height
    for width, height in (*_TALL, (1, 1), *((height, width) for width, height in reversed(_TALL)))
}


class _Sized(Protocol):
    width: int
    height: int


@register.filter
def shape(sized: _Sized) -> str:
    """Return the class of the ratio nearest to that of a video or request."""
    ratio = sized.width / sized.height
    return min(RATIOS, key=lambda name: max(ratio / RATIOS[name], RATIOS[name] / ratio))
