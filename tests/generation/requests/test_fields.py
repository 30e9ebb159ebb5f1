"""Checklist for a new request field: one test for each place that must know the field.

Sample values derive from the kind of each field, so a new field is covered without being listed here.
"""

import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.urls import reverse

from auravideo.core.media.video_metadata import dump_settings
from generation.batches import services as batches
from generation.batches.parsing import COLUMNS, Row, read_rows
from generation.create import prefill
from generation.create.carried_over import kept_of
from generation.create.forms import MODES, SIMPLE_FIELDS, CreateForm
from generation.domain.states import Stage
from generation.models import BlockedTerm, Job, Preset
from generation.presets import services as presets
from generation.queue import claims, services
from generation.queue.blocked_terms import BlockedPrompt
from generation.requests import available
from generation.requests.choices import fields_of
from generation.requests.fields import FIELDS, PLAIN, RENAMED, Kind, Role
from generation.requests.request import InvalidRequest, RenderRequest, parse
from tests.factories import JobFactory, UserFactory, VideoFactory, a_request
from tests.generation.create.test_camera_motions import CATALOGUE
from workers import engine_factory, stages, transfers
from workers.assembly import settings_of

pytestmark = pytest.mark.django_db

NAMES = [field.name for field in dataclasses.fields(RenderRequest)]
PLAIN_NAMES = [name for name, field in FIELDS.items() if field.kind in PLAIN]
WITHIN_THE_PROMPT = [name for name, field in FIELDS.items() if field.role is Role.PROMPT]
DOCS = Path(settings.BASE_DIR) / "docs"
# Non-default values, for the kinds from which none can be derived.
BY_KIND = {
    Kind.TEXT: "a quiet lighthouse",
    Kind.SIDE: 300,
    Kind.LENGTH: 3,
    Kind.MOTIONS: [["push", 0.5]],
    Kind.STYLES: [["ink", 0.7]],
    Kind.QUALITY: "mine",
}
ENTRIES = {"model": "other", "motion_adapter": "still"}


@pytest.fixture(autouse=True)
def _catalogue(settings, tmp_path):
    """Install a second model and motion adapter, and camera motions."""
    path = tmp_path / "catalogue.toml"
    path.write_text(CATALOGUE)
    settings.CATALOGUE_FILE = str(path)


def row_of(name: str):
    """Return the row of a field in the table, or fail: no other test of the field works without it."""
    assert name in FIELDS, f"{name} has no row in generation/requests/fields.py"
    return FIELDS[name]


def sample(name: str) -> Any:
    """Return a JSON value of a field that differs from its default."""
    field = row_of(name)
    if field.kind is Kind.ENTRY:
        return ENTRIES[name]
    if field.kind is Kind.CHOICE:
        return next(choice for choice in field.choices if choice != field.default)
    if field.kind in (Kind.WHOLE, Kind.NUMBER):
        most = field.minimum + 0.9 * (field.maximum - field.minimum)
        return int(most) if field.kind is Kind.WHOLE else most
    return BY_KIND[field.kind]


def a_request_with(name: str) -> dict[str, Any]:
    return a_request(**{name: sample(name)})


def has_sample(stored: dict[str, Any], name: str) -> bool:
    return stored.get(name) == sample(name) != a_request()[name]


def submitted(client, mode: str, values: dict[str, Any]) -> dict[str, Any]:
    """Post form values and return the stored request."""
    response = client.post(f"{reverse('generation:create')}?mode={mode}", values)
    assert response.status_code == 302, response.context["form"].errors
    return Job.objects.get().request


# --- The table and the parser ----------------------------------------------------------------------------------------


def test_the_table_and_the_request_name_the_same_fields_in_the_same_order():
    assert list(FIELDS) == NAMES
    assert set(RENAMED.values()) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_has_the_attributes_its_kind_needs(name):
    field = row_of(name)
    assert str(field.label)
    if field.kind in (Kind.WHOLE, Kind.NUMBER):
        assert field.minimum is not None and field.maximum is not None, f"{name}: say between which numbers it lies"
    if field.kind is Kind.CHOICE:
        assert field.default in field.choices, f"{name}: name its choices, and the one that is the default"


@pytest.mark.parametrize("name", NAMES)
def test_the_parser_reads_it(name):
    assert has_sample(a_request_with(name), name), f"parse() loses {name}"


@pytest.mark.parametrize("name", NAMES)
def test_an_invalid_value_is_refused(name):
    row_of(name)
    with pytest.raises(InvalidRequest) as refused:
        parse({"prompt": "a heart", name: object()}, available.catalogue(), available.limits())
    assert list(refused.value.errors) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_requests_stored_before_it_was_added_can_still_be_read(name):
    """Fields of the first version (up to `seed`) are always stored; every later one needs a default."""
    declared = {field.name: field.default for field in dataclasses.fields(RenderRequest)}
    first = NAMES[: NAMES.index("seed") + 1]
    assert name in first or declared[name] is not dataclasses.MISSING, f"{name} needs a default in RenderRequest"


# --- Form and prefill ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "quality"])  # inferred from the numbers
def test_the_form_takes_it_back_as_it_was(signed_in, mode, name):
    """Round trip through prefill, form and calculation: a stored request is shown and posted again."""
    stored = {**a_request_with(name), "seed": a_request_with(name)["seed"] or 7}
    form = CreateForm(mode=mode, initial=prefill.fitted(prefill.from_request(stored).values))
    found = submitted(signed_in, mode, form.values())
    assert has_sample(found, name), f"{name} is lost between prefill and form in the {mode} mode"


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_the_page_shows_it(signed_in, name):
    page = signed_in.get(reverse("generation:create"), {"mode": "advanced"}).content.decode()
    assert f'id="id_{name}"' in page, f"put {name} into templates/generation/partials/advanced_fields.html"
    assert str(FIELDS[name].help_text), f"{name} needs a help_text"


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_the_simple_mode_says_that_it_is_set(name):
    if name in SIMPLE_FIELDS:
        return
    values = {"quality": "custom", **prefill.from_request(a_request_with(name)).values}
    form = CreateForm(mode="simple", initial=values)
    usual = kept_of({**values, name: None}, form)
    assert len(kept_of(values, form)) > len(usual), f"{name} counts unseen in the simple mode: give it a mention"


@pytest.mark.parametrize("name", NAMES)
def test_the_calculation_passes_it_on(name):
    row_of(name)
    assert name in fields_of({"aspect": "1:1", "quality": "draft"}, available.offer())


# --- Batches and presets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_file_has_a_column_for_it(name):
    value = sample(name)
    cell = ", ".join(f"{id}:{weight}" for id, weight in value) if isinstance(value, list) else value
    assert name in COLUMNS
    (row,) = read_rows(f'{name},{"prompt" if name != "prompt" else "fps"}\n"{cell}",8\n'.encode(), format="csv")
    assert has_sample(parse(row.values, available.catalogue(), available.limits()).to_dict(), name)


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_of_batch_files_names_it(name):
    table = (DOCS / "batch.md").read_text().split("| field | what it is | default |")[1].split("\n\n")[0]
    assert f"`{name}`" in table, f"{name} is missing in the table of docs/batch.md"


@pytest.mark.parametrize("name", [*RENAMED])
def test_the_documentation_of_batch_files_names_the_old_name(name):
    assert f"`{name}`" in (DOCS / "batch.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_keeps_it_or_says_that_it_does_not(user, name):
    preset, _is_new = presets.save(user, "Night", RenderRequest.from_dict(a_request_with(name)))
    kept = Preset.objects.get(pk=preset.pk).settings
    assert (name in kept) == row_of(name).in_preset
    if name in kept:
        assert has_sample(kept, name)
        assert has_sample(presets.checked({name: sample(name)}), name), f"staff cannot write {name} in a preset"


# --- Job page, video file, admin -------------------------------------------------------------------------------------


def shown(name: str) -> str:
    """Return the texts in which a page shows the sample."""
    field, value = FIELDS[name], sample(name)
    if field.kind is Kind.MOTIONS:
        return f"Push · {value[0][1]}"
    if field.kind is Kind.STYLES:
        return f"Ink · {value[0][1]}"
    if field.kind is Kind.ENTRY:
        return str(available.catalogue()[value].label)
    if field.facts and field.kind is Kind.CHOICE:
        return str(field.choices[value])
    return str(value)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_a_video_tells_it(signed_in, user, name):
    stored = {**a_request_with(name), "seed": a_request_with(name)["seed"] or 7}
    own = {field: stored[field] for field in ("width", "height", "fps")}
    video = VideoFactory(user=user, request=stored, title="A title", **own, frames=stored["seconds"] * stored["fps"])
    page = signed_in.get(reverse("gallery:video", args=[video.pk])).content.decode()
    told = page.split('<dl class="facts">')[1].split("</dl>")[0] + page.split(">Files<")[1]
    if name == "prompt":
        told = page
    expected = shown(name).upper() if name == "format" else shown(name)
    assert re.search(rf"\b{re.escape(expected)}\b", told), f"the page of a video does not tell {name}: give it facts"


@pytest.mark.parametrize("name", NAMES)
def test_the_clip_carries_it_and_can_be_made_again_from_its_file(name):
    job = JobFactory.build(user=UserFactory.build(), request=a_request_with(name), seed=7)
    embedded = json.loads(dump_settings(settings_of(job), ascii_only=True))["request"]
    again = RenderRequest.from_dict(embedded)
    assert again == dataclasses.replace(RenderRequest.from_dict(a_request_with(name)), seed=7) or name == "seed"
    assert set(embedded) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_admin_shows_it(client, name):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    job = JobFactory(request=a_request_with(name), seed=sample("seed"))
    page = client.get(reverse("admin:generation_job_change", args=[job.pk])).content.decode()
    assert f"&quot;{name}&quot;" in page


@pytest.mark.parametrize("name", [name for name in PLAIN_NAMES if FIELDS[name].kind is Kind.TEXT])
def test_a_moderator_reads_what_was_written(client, name):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    video = VideoFactory(public=True, title="A title", request={**a_request_with(name), "seed": 7})
    page = client.get(reverse("admin:gallery_video_change", args=[video.pk])).content.decode()
    assert sample(name) in page


# --- Text encoder ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in NAMES if name in FIELDS and FIELDS[name].kind is Kind.TEXT])
def test_a_text_says_what_the_encoder_makes_of_it(name):
    assert FIELDS[name].role is not None, f"{name} needs a role: is it a part of the prompt?"


@pytest.mark.parametrize("name", WITHIN_THE_PROMPT)
def test_it_is_read_by_the_encoder_and_checked(user, name):
    request = RenderRequest.from_dict(a_request_with(name))
    assert sample(name) in request.engine_prompt
    BlockedTerm.objects.create(term=sample(name))
    with pytest.raises(BlockedPrompt):
        services.submit(user, request)
    assert not Job.objects.exists()


@pytest.mark.parametrize("name", WITHIN_THE_PROMPT)
def test_what_is_blocked_in_it_is_said_by_the_form_and_by_a_batch(signed_in, name):
    BlockedTerm.objects.create(term=sample(name))
    form = CreateForm(mode="advanced", initial=prefill.from_request(a_request_with(name)).values)
    page = signed_in.post(f"{reverse('generation:create')}?mode=advanced", form.values())
    assert page.context["form"].errors["prompt"]
    (entry,) = batches.check([Row(1, 1, {"prompt": "a heart", name: sample(name)})])
    assert entry.errors["prompt"]


@pytest.mark.parametrize("name", WITHIN_THE_PROMPT)
def test_the_summary_names_the_words_in_it_that_the_model_does_not_know(signed_in, name):
    form = CreateForm(mode="advanced", initial=prefill.from_request(a_request_with(name)).values)
    response = signed_in.post(f"{reverse('generation:create-summary')}?mode=advanced", form.values())
    assert any("lighthouse" in note for note in response.context["summary"].notes)


class Listening:
    """A text-to-video engine that records its prompts and renders nothing."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def generate(self, *, prompt: str, width: int, height: int, frames: int, **_settings: Any) -> np.ndarray:
        self.prompts.append(prompt)
        return np.zeros((frames, height, width, 3), np.uint8)


@pytest.mark.parametrize("name", WITHIN_THE_PROMPT)
def test_the_workers_use_the_whole_prompt(name, monkeypatch):
    """Covers the token count, the vocabulary warnings and the rendering itself."""
    request = RenderRequest.from_dict(a_request_with(name))
    engine, job = Listening(), JobFactory(request=request.to_dict())
    monkeypatch.setattr(engine_factory, "text_to_video", lambda _request: engine)
    held = claims.claim(job.pk, job.run, Stage.GENERATE, 0, "worker")
    asked = {"request": request, "plan": job.render_plan, "job": job, "held": held}
    stages.generate(SimpleNamespace(**asked, on_step=None, patiently=transfers.once))
    assert engine.prompts == [request.engine_prompt]
    (words,) = [text["words"] for text in stages._warnings(request) if text["id"] == "words-unknown"]
    assert "lighthouse" in words
    longer = dataclasses.replace(request, **{name: sample(name) + " and another one"})
    assert engine_factory.count_tokens(longer) > engine_factory.count_tokens(request)
