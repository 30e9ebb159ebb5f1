"""The clips of a benchmark, and the ways to render each. Everything that cannot be rendered is refused here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from generation.catalogue.load import BaseModel, Catalogue
from generation.domain.plan import FrameRule, Plan, largest_short_side, longest, plan
from generation.domain.shapes import Size
from generation.requests.limits import Limits
from generation.requests.request import InvalidRequest, RenderRequest, parse

SIZES = ("256x256", "512x512", "1024x1024", "2048x2048")  # those of the table in AuraAnim's README
SECONDS = (2, 6)
FPS = (8, 24)
LIMITS = Limits(max_side=2048, max_seconds=60)  # whatever the operator offers to users
MOST_CASES = 100
PROMPT, SEED = "a red heart rising over the sea", 1
_OPTION_OF = {"size": "--sizes", "width": "--sizes", "height": "--sizes", "model": "--models"}


class Way(StrEnum):
    """How a clip is rendered: as the site does, without its two ideas, or as the site does but with models reloaded."""

    PIPELINE = "pipeline"
    DIRECT = "direct"
    RELOAD = "reload"


class Without(StrEnum):
    """Which ideas a direct rendering goes without: small and then upscaled, slow and then interpolated."""

    SIZE = "size"
    RATE = "rate"
    BOTH = "both"


class Refused(ValueError):
    """A combination of options that cannot be measured; the text names the option."""


@dataclass(frozen=True)
class Case:
    """One clip to render: its request, and the plan of each way to render it."""

    request: RenderRequest
    plans: dict[Way, Plan]

    def __str__(self) -> str:
        asked = self.request
        return f"{asked.model} {asked.width}x{asked.height} {asked.seconds} s {asked.fps} fps"


@dataclass(frozen=True)
class _Free:
    """A model's native size and rate, as if it had been trained at others."""

    native_size: int
    native_sizes: Mapping[str, Size]
    min_size: int
    native_fps: int
    frame_rule: FrameRule


def make(
    catalogue: Catalogue,
    *,
    models: Sequence[str],
    sizes: Sequence[str] = (),
    seconds: Sequence[int] = (),
    fps: Sequence[int] = FPS,
    steps: int | None = None,
    without: Without | None = None,
    reload: bool = False,
) -> list[Case]:
    """Return all combinations, smallest first, each once.

    Without `sizes`: those of `SIZES` that the model reaches.
    Without `seconds`: `SECONDS`, or the longest that it makes.

    Raises:
        Refused: a combination cannot be rendered, there are too many, or there is nothing to compare.
    """
    cases: list[Case] = []
    for name in dict.fromkeys(models):
        model = _model(catalogue, name)
        own = sizes or [size for size in SIZES if int(size.split("x")[0]) <= largest_short_side(model)]
        timings = [(length, rate) for rate in dict.fromkeys(fps) for length in seconds or _lengths(model, rate)]
        for size, (length, rate) in product(dict.fromkeys(own), sorted(dict.fromkeys(timings))):
            request = _request(catalogue, {"model": name, "size": size, "seconds": length, "fps": rate, "steps": steps})
            cases.append(Case(request, dict(_plans(request, model, without, reload=reload))))
    if len(cases) > MOST_CASES:
        raise Refused(f"These are {len(cases)} clips; at most {MOST_CASES} fit in one run. Give fewer --sizes.")
    if without and not any(Way.DIRECT in case.plans for case in cases):
        raise Refused(f"--direct {without}: none of these clips is rendered in another way then. Give larger --sizes.")
    return cases


def _lengths(model: BaseModel, fps: int) -> list[int]:
    most = longest(model, -(-fps // model.native_fps)) if model.frame_rule.most is not None else max(SECONDS)
    return sorted({min(length, most) for length in SECONDS})


def _model(catalogue: Catalogue, name: str) -> BaseModel:
    if name not in catalogue.models:
        raise Refused(f"--models: there is no model {name[:50]!r}. The models are: {', '.join(catalogue.models)}.")
    return catalogue.models[name]


def _request(catalogue: Catalogue, fields: dict) -> RenderRequest:
    try:
        return parse({"prompt": PROMPT, "seed": SEED, **fields}, catalogue, LIMITS)
    except InvalidRequest as error:
        problems = [
            f"{_OPTION_OF.get(field, f'--{field}')}: {' '.join(map(str, texts))}"
            for field, texts in error.errors.items()
        ]
        wanted = f"{fields['model']}, {fields['size']}, {fields['seconds']} s, {fields['fps']} fps"
        raise Refused(f"{'; '.join(problems)} (asked for: {wanted})") from error


def _plans(
    request: RenderRequest, model: BaseModel, without: Without | None, *, reload: bool
) -> Iterable[tuple[Way, Plan]]:
    own = plan(request, model)
    yield Way.PIPELINE, own
    if without:
        direct = direct_plan(request, model, without)
        if direct != own:
            yield Way.DIRECT, direct
    if reload:
        yield Way.RELOAD, own


def direct_plan(request: RenderRequest, model: BaseModel, without: Without) -> Plan:
    """Return the plan that generates at full size, at the full rate, or both, without the stages for the rest."""
    multiple = model.frame_rule.side_multiple
    full = -(-min(request.width, request.height) // multiple) * multiple
    size = model.native_size if without is Without.RATE else max(model.native_size, full)
    sizes = model.native_sizes if without is Without.RATE else {}
    rate = model.native_fps if without is Without.SIZE else request.fps
    return plan(request, _Free(size, sizes, model.min_size, rate, model.frame_rule))
