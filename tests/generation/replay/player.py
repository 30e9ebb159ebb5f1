"""Play a stored case: what a person sends, and what came of it, in terms that do not depend on how the site is built.

A case is JSON: `given` (what is there before), `settings`, `world` (whether more models are here), and `steps`. A step
asks for a page (`get`), sends fields (`post` with `data`), sends the form of the page before it as a browser would
(`send`, with the fields that are changed), or runs the batch command (`command`). `{job}`, `{video}`, `{preset}` and
`{batch}` in an address stand for the newest one.

Only addresses, models, factories and what a browser sees are used, so that everything else may be moved and renamed.
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
_HIDDEN_FIELDS = ("csrfmiddlewaretoken", "preset_name", "video_file")
_QUALITY_KEYS = ("preset", "quality")  # what the field of a stored request was called, and is called
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_PROBLEM = re.compile(r"^line (\d+)(?:, (\w+))?: ", re.MULTILINE)
_PLAN = ("base_width", "base_height", "base_frames", "factor", "upscale", "width", "height", "fps", "frames")
_CHUNK = ("start", "stop", "frames")


@dataclass
class Player:
    """A signed-in person at the site, `folder` for files, and `capture` which runs what waits for the commit."""

    client: Any
    user: Any
    folder: Path
    capture: Any
    page: Any = None
    names: dict[str, str] = field(default_factory=dict)
    _seen: set[Any] = field(default_factory=set)
    _drawn: set[str] = field(default_factory=set)  # seeds that nobody chose; what is made from them later has them, too

    def play(self, case: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What came of each step."""
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
            "batches": [batch.name for batch in Batch.objects.filter(jobs__in=jobs).distinct()],
        }
        return {name: value for name, value in found.items() if value not in ([], {}, None)}

    # --- Pages --------------------------------------------------------------------------------------------------------

    def _request(self, step: Mapping[str, Any]) -> dict[str, Any]:
        if "get" in step:
            response = self.client.get(self._filled(step["get"]))
        elif "follow" in step:  # the link of the page before that holds this text
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


# --- What is seen -----------------------------------------------------------------------------------------------------


def seen(response: Any) -> dict[str, Any]:
    """What a page, or the fragment of the live summary, says: values, fields in error, numbers, how many notes."""
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
    """What a page without errors can be sent with, and what it says of that."""
    shown: dict[str, str] = {}
    for form in FORMS.values():
        shown |= {name: value for name, value in fields_of(html, form).items() if name not in _HIDDEN_FIELDS and value}
    is_fragment = "<html" not in html
    summaries = texts_of(f'<div id="summary-body">{html}</div>' if is_fragment else html, "summary-body", _NOT_SUMMARY)
    return {
        "form": shown,
        "numbers": [number for text in summaries for number in numbers(text)],
        "costs": [numbers(text) for text in texts_of(html, "choice__cost")],
        "kept": sum(len(text.split("·")) for text in texts_of(html, "kept", ("button",))),
    }


_NOT_SUMMARY = ("notice", "choice__cost")


def numbers(text: str) -> list[str]:
    """The numbers in a text, sorted: words may change, and with them the order."""
    return sorted(_NUMBER.findall(text))


# --- What was made ----------------------------------------------------------------------------------------------------


def describe(job: Job, drawn: Collection[str] = ()) -> dict[str, Any]:
    """A job as it was queued; of a seed that nobody chose, only that."""
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
    """Return the numbers of a job's plan: `_PLAN`, and the start, stop and frames of each chunk."""
    plan = job.render_plan
    assert [chunk.index for chunk in plan.chunks] == list(range(len(plan.chunks)))
    return [
        *(getattr(plan, name) for name in _PLAN),
        [[getattr(chunk, name) for name in _CHUNK] for chunk in plan.chunks],
    ]


def sent(broker: redis.Redis) -> list[dict[str, Any]]:
    """For each message that a worker would get: its queue, with the priority, and how often it names each stage."""
    found = []
    for key in sorted(broker.scan_iter(_type="list")):
        for raw in reversed(broker.lrange(key, 0, -1)):
            message = json.loads(raw)
            body = json.loads(base64.b64decode(message["body"]))
            units = {(message["headers"]["task"], *map(str, body[0])), *_units(body[2])}
            stages = Counter(task.removeprefix("workers.tasks.") for task, *_args in units)
            found.append({"queue": key.decode(), "stages": dict(sorted(stages.items()))})
    return found


def _units(embedded: Any) -> set[tuple[str, ...]]:
    """(task, arguments) of every signature within a message."""
    found: set[tuple[str, ...]] = set()
    if isinstance(embedded, Mapping):
        if str(embedded.get("task", "")).startswith("workers.tasks."):
            found.add((embedded["task"], *map(str, embedded["args"])))
        embedded = list(embedded.values())
    for part in embedded if isinstance(embedded, list) else ():
        found |= _units(part)
    return found


# --- Names that changed -----------------------------------------------------------------------------------------------

_NOT_KEPT = ("prompt", *_QUALITY_KEYS)  # what a preset does not keep


def neutral_name(name: str) -> str:
    """The name of a request's field; the quality was called `preset` before."""
    return "quality" if name in _QUALITY_KEYS else name


def neutral(request: Mapping[str, Any]) -> dict[str, Any]:
    """A stored request with the present names of its fields."""
    return {neutral_name(name): value for name, value in request.items()}


def stored(changes: Mapping[str, Any]) -> dict[str, Any]:
    """A request as this version stores it, with these changes, given by the present names."""
    usual = factories.a_request()
    key = next(name for name in _QUALITY_KEYS if name in usual)
    return {**usual, **{key if name == "quality" else name: value for name, value in changes.items()}}
