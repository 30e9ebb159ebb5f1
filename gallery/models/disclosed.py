"""What others than its owner read about a video: the owner decides on the prompt, the negative prompt and the seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from generation.requests.fields import TEMPLATES

if TYPE_CHECKING:
    from gallery.models.video import Video

# The fields of a request that an owner can keep to themselves, and the columns that say so.
CHOICES: Mapping[str, str] = {
    "prompt": "shows_prompt",
    "negative_prompt": "shows_negative_prompt",
    "seed": "shows_seed",
}


@dataclass(frozen=True)
class Disclosed:
    """The words of a video for others. `prompt` is "" if it is hidden; `request` lacks what is hidden."""

    title: str
    prompt: str
    request: Mapping[str, Any]

    @property
    def caption(self) -> str:
        """Return what describes the picture: the prompt, or else the title."""
        return self.prompt or self.title


def hidden_fields(video: "Video") -> frozenset[str]:
    """Return the fields of the request that others must not learn; a hidden text with the template it is from."""
    hidden = [field for field, column in CHOICES.items() if not getattr(video, column)]
    return frozenset([*hidden, *(TEMPLATES[field] for field in hidden if field in TEMPLATES)])


def disclosed_of(video: "Video") -> Disclosed:
    """Return what others read. A title that the prompt gave the video is as hidden as the prompt."""
    hidden = hidden_fields(video)
    title = video.title or video.prompt
    if "prompt" in hidden and is_of_prompt(video.title, video.prompt):
        title = _("Untitled")
    request = {name: value for name, value in video.request.items() if name not in hidden}
    return Disclosed(title, "" if "prompt" in hidden else video.prompt, request)


def is_of_prompt(title: str, prompt: str) -> bool:
    """Return whether a title is the beginning of the prompt, or empty, as titles are until the owner writes one."""
    return " ".join(prompt.split()).casefold().startswith(" ".join(title.split()).rstrip("…").casefold())
