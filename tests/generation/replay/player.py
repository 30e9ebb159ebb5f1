"""Player for recorded cases: requests and their outcomes, described independently of the implementation.

A case is JSON: `given` (the initial data), `settings`, `world` (true if it needs more models), and `steps`. A step
gets a page (`get`), follows a link of the previous page (`follow`), posts fields (`post` with `data`), submits the
form of the previous page as a browser would (`send` with the changed fields), or runs the batch command (`command`).
`{job}`, `{video}` and `{preset}` in a URL stand for the newest one.

Only URLs, models, factories and rendered pages are used, so that all other code can be moved and renamed freely.
"""

import base64
import io
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import resolve

from generation.models import Batch, BlockedTerm, Job, Preset
from tests import factories
from tests.html_forms import fields_of, texts_of
from tests.workers.media.clips import encode

DRAWN = "drawn"
FORMS = {"one": "create-form", "many": "create--many"}
_HIDDEN_FIELDS = ("csrfmiddlewaretoken", "typed_by", "shown_model", "shown_aspect", "preset_name", "video_file")
_SWEEP_FIELDS = ("across", "across_values", "down", "down_values")  # another form's, at the end of this one
_QUALITY_KEYS = ("preset", "quality")  # the old and the new name of the field in stored requests
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_CLOCK = re.compile(r"\b\d\d:\d\d$")
_PROBLEM = re.compile(r"^line (\d+)(?:, (\w+))?: ", re.MULTILINE)
_PLAN = ("base_width", "base_height", "base_frames", "factor", "upscale", "width", "height", "fps", "frames")
_CHUNK = ("start", "stop", "frames")


@dataclass
class Player:
    """A signed-in client, with `folder` for files and `capture` to run on-commit callbacks."""

    client: Any
    user: Any
    folder: Path
    capture: Any
    page: Any = None
    names: dict[str, str] = field(default_factory=dict)
    _seen: set[Any] = field(default_factory=set)
    _drawn: set[str] = field(default_factory=set)  # random seeds; later jobs may reuse them

    def play(self, case: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the outcome of each step."""
        self._prepare(case.get("given", {}))
        self._seen = set(Job.objects.values_list("pk", flat=True))
        return [self._step(step) for step in case["steps"]]

    def _prepare(self, given: Mapping[str, Any]) -> None:
        for request in given.get("jobs", ()):
            self.names["job"] = str(factories.JobFactory(user=self.user, seed=1234, request=stored(request)).pk)
        for request in given.get("videos", ()):
            self.names["video"] = str(factories.VideoFactory(user=self.user, request=stored(request)).pk)
        for request in given.get("others", ()):
            factories.JobFactory(request=stored(request))
        for preset in given.get("presets", ()):
            owner = None if preset.get("shared") else self.user
            kept = {name: value for name, value in stored(preset["settings"]).items() if name not in _NOT_KEPT}
            self.names["preset"] = str(Preset.objects.create(user=owner, name=preset["name"], settings=kept).pk)
        for term in given.get("terms", ()):
            BlockedTerm.objects.create(term=term)

    def _step(self, step: Mapping[str, Any]) -> dict[str, Any]:
        broker = redis.Redis.from_url(settings.REDIS_BROKER_URL)
        broker.flushdb()
        presets = set(Preset.objects.values_list("pk", flat=True))
        with self.capture(execute=True):
            outcome = self._command(step) if "command" in step else self._request(step)
        jobs = list(Job.objects.exclude(pk__in=self._seen).order_by("row", "created_at"))
        self._seen |= {job.pk for job in jobs}
        self.names |= {"job": str(jobs[-1].pk)} if jobs else {}
        self._drawn |= {str(job.seed) for job in jobs if job.request["seed"] is None}
        made = list(Preset.objects.exclude(pk__in=presets))
        self.names |= {"preset": str(made[-1].pk)} if made else {}
        found = {
            **outcome,
            "jobs": [describe(job, self._drawn) for job in jobs],
            "sent": sent(broker),
            "presets": [{"name": preset.name, "settings": neutral(preset.settings)} for preset in made],
            "batches": [_CLOCK.sub("00:00", batch.name) for batch in Batch.objects.filter(jobs__in=jobs).distinct()],
        }
        return {name: value for name, value in found.items() if value not in ([], {}, None)}

    # --- Pages --------------------------------------------------------------------------------------------------------

    def _request(self, step: Mapping[str, Any]) -> dict[str, Any]:
        if "get" in step:
            response = self.client.get(self._filled(step["get"]))
        elif "follow" in step:  # the first link of the previous page that contains this text
            links = re.findall(r'href="([^"]+)"', self.page.content.decode())
            response = self.client.get(next(link for link in links if step["follow"] in link).replace("&amp;", "&"))
        else:
            response = self.client.post(self._filled(step.get("post") or step["to"]), self._data(step))
        self.page = response
        outcome: dict[str, Any] = {"status": response.status_code}
        if response.status_code == 302:
            return {**outcome, "to": resolve(response.url.partition("?")[0]).view_name}
        if response.status_code == 200:
            outcome |= seen(response)
        if outcome.get("form", {}).get("seed") in self._drawn:
            outcome["form"]["seed"] = DRAWN
        return outcome

    def _data(self, step: Mapping[str, Any]) -> dict[str, Any]:
        data = dict(step.get("data", {}))
        if "send" in step:
            page = self.page.content.decode()
            shown = next(filter(None, (fields_of(page, form) for form in FORMS.values())))
            data = {**{name: value for name, value in shown.items() if name not in _HIDDEN_FIELDS}, **step["send"]}
        if "file" in step:
            file = step["file"]
            data[file["field"]] = SimpleUploadedFile(file["name"], self._content(file))
        return data

    def _content(self, file: Mapping[str, Any]) -> bytes:
        if "metadata" not in file:
            return file["text"].encode()
        path = encode(self.folder, file["name"].rpartition(".")[2], metadata=file["metadata"])
        return path.read_bytes()

    def _filled(self, address: str) -> str:
        for name, value in self.names.items():
            address = address.replace(f"{{{name}}}", value)
        return address

    # --- The command --------------------------------------------------------------------------------------------------

    def _command(self, step: Mapping[str, Any]) -> dict[str, Any]:
        path = self.folder / step["name"]
        path.write_bytes(step["text"].encode())
        err, code = io.StringIO(), 0
        options = {"user": self.user.username, "stdout": io.StringIO(), "stderr": err, "no_color": True}
        try:
            call_command("batch", str(path), *step["command"], **options)
        except CommandError as error:
            code = error.returncode
        except SystemExit as end:
            code = end.code
        problems = [[int(line), neutral_name(name)] for line, name in _PROBLEM.findall(err.getvalue())]
        return {"code": code, "problems": problems}


# --- Rendered pages ---------------------------------------------------------------------------------------------------


def seen(response: Any) -> dict[str, Any]:
    """Return what a page or a live summary shows: form values, fields in error, numbers, count of warnings."""
    html = response.content.decode()
    bound = response.context and response.context.get("form")
    errors = {name: len(texts) for name, texts in bound.errors.items()} if bound is not None else {}
    problems = getattr(bound, "problems", None) or []
    found = {
        "errors": errors,
        "name_errors": len(texts_of(html, "preset-name-error")),
        "file_errors": len(texts_of(html, "video-file-error")),
        "problems": [[problem["line"], neutral_name(problem["field"])] for problem in problems],
        "warnings": len(texts_of(html, "notice--warning")),
    }
    return {name: value for name, value in (found if errors else found | _offered(html)).items() if value}


def _offered(html: str) -> dict[str, Any]:
    """Return the form values and the summary of a page without errors."""
    shown: dict[str, str] = {}
    for form in FORMS.values():
        fields = fields_of(html, form).items()
        shown |= {name: value for name, value in fields if name not in (*_HIDDEN_FIELDS, *_SWEEP_FIELDS) and value}
    is_fragment = "<html" not in html
    summaries = texts_of(f'<div id="summary-body">{html}</div>' if is_fragment else html, "summary-body", _NOT_SUMMARY)
    return {
        "form": shown,
        "numbers": [number for text in summaries for number in numbers(text)],
        "costs": [numbers(text) for text in texts_of(html, "choice__cost")],
        "kept": sum(len(text.split("·")) for text in texts_of(html, "kept", ("button",))),
    }


_NOT_SUMMARY = ("notice", "choice__cost", "create-bar__time")


def numbers(text: str) -> list[str]:
    """Return the numbers in a text, sorted, because rewording may reorder them."""
    return sorted(_NUMBER.findall(text))


# --- Jobs and messages ------------------------------------------------------------------------------------------------


def describe(job: Job, drawn: Collection[str] = ()) -> dict[str, Any]:
    """Return a job as it was queued; random seeds read `DRAWN`."""
    request = neutral(job.request)
    if str(request["seed"]) in drawn:
        request["seed"] = DRAWN
    found = {
        "request": request,
        "seed": DRAWN if request["seed"] in (None, DRAWN) else job.seed,
        "row": job.row,
        "warnings": job.warnings,
        "priority": job.priority,
        "plan": plan_of(job),
        "status": job.status,
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def plan_of(job: Job) -> list[Any]:
    """Return the numbers of a job's plan: the fields in `_PLAN`, then start, stop and frames of each chunk."""
    plan = job.render_plan
    assert [chunk.index for chunk in plan.chunks] == list(range(len(plan.chunks)))
    return [
        *(getattr(plan, name) for name in _PLAN),
        [[getattr(chunk, name) for name in _CHUNK] for chunk in plan.chunks],
    ]


def sent(broker: redis.Redis) -> list[dict[str, Any]]:
    """Return each queued message's queue (with its priority suffix) and its job's number of tasks per stage.

    A message holds the first stage alone; what follows is sent once that is done.
    """
    found = []
    for key in sorted(broker.scan_iter(_type="list")):
        for raw in reversed(broker.lrange(key, 0, -1)):
            message = json.loads(raw)
            body = json.loads(base64.b64decode(message["body"]))
            units = {(message["headers"]["task"], *map(str, body[0])), *_units(body[2])}
            if units == {("workers.tasks.preprocess", *map(str, body[0]))}:
                job = Job.objects.get(pk=body[0][0])
                units = {(f"workers.tasks.{stage}", str(chunk)) for stage, chunk in job.render_plan.units}
            stages = Counter(task.removeprefix("workers.tasks.") for task, *_args in units)
            found.append({"queue": key.decode(), "stages": dict(sorted(stages.items()))})
    return found


def _units(embedded: Any) -> set[tuple[str, ...]]:
    """Return (task, *arguments) of every signature in a message."""
    found: set[tuple[str, ...]] = set()
    if isinstance(embedded, Mapping):
        if str(embedded.get("task", "")).startswith("workers.tasks."):
            found.add((embedded["task"], *map(str, embedded["args"])))
        embedded = list(embedded.values())
    for part in embedded if isinstance(embedded, list) else ():
        found |= _units(part)
    return found


# --- Renamed fields ---------------------------------------------------------------------------------------------------

_NOT_KEPT = ("prompt", *_QUALITY_KEYS)  # not stored in presets


def neutral_name(name: str) -> str:
    """Return the current name of a request field; `quality` was formerly `preset`."""
    return "quality" if name in _QUALITY_KEYS else name


def neutral(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored request with current field names."""
    return {neutral_name(name): value for name, value in request.items()}


def stored(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as this version stores it, with `changes` given under current field names."""
    usual = factories.a_request()
    key = next(name for name in _QUALITY_KEYS if name in usual)
    return {**usual, **{key if name == "quality" else name: value for name, value in changes.items()}}
