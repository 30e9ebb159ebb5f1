"""Management command `benchmark`: what rendering costs on this machine (docs/performance.md)."""

import json as json_module
import signal
import sys
import tempfile
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from auravideo.benchmark import cases, machine, plot, rounds, table
from auravideo.benchmark.cases import Case, Refused, Without
from auravideo.benchmark.results import VERSION, Result, ratios
from auravideo.core.files import replace_text
from generation.catalogue.load import Catalogue
from generation.requests import available

MOST_REPEATS = 100
SOME_FAILED, INTERRUPTED = 3, 130


class Command(BaseCommand):
    help = (
        "Render clips with the workers' own code, in processes of its own, and print how long each stage takes, how "
        "much memory it needs, and with --direct how much longer the same clip takes without upscaling and "
        "interpolation. Nothing is queued or kept. Ctrl-C prints what was measured so far."
    )
    requires_system_checks = []  # it needs no site

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("--models", nargs="+", metavar="NAME", default=[], help="base models; default: the site's")
        sizes = "such as 512 or 512x288; default: 256, 512, 1024, 2048 as far as the model reaches"
        add("--sizes", nargs="+", type=_size, metavar="SIZE", default=[], help=sizes)
        lengths = "lengths; default: 2 6, or the longest that the model makes"
        add("--seconds", nargs="+", type=_within(60), default=[], help=lengths)
        add("--fps", nargs="+", type=_within(32), default=list(cases.FPS), help="frame rates (default: 8 24)")
        add("--steps", type=_within(100), help="denoising steps; default: the model's")
        repeats = "warm renderings of each clip and way (default: %(default)s)"
        add("--repeats", type=_within(MOST_REPEATS), default=3, metavar="N", help=repeats)
        direct = (
            "also render without the two ideas, in turn: generate at full size, at the full rate, or (default) both"
        )
        add("--direct", nargs="?", const="both", choices=[str(idea) for idea in Without], help=direct)
        add("--reload", action="store_true", help="also render with all models loaded again for each clip, in turn")
        add("--no-cold", action="store_true", help="start the processes once, not for each clip")
        add("--json", type=Path, metavar="FILE", help="write all figures there")
        add("--plot", type=Path, metavar="FILE", help=f"draw them there: {', '.join(plot.SUFFIXES)}")

    def handle(self, *, json: Path | None, plot: Path | None, repeats: int, no_cold: bool, **options: Any) -> None:
        catalogue = available.catalogue()
        try:
            wanted = _cases(catalogue, options)
        except Refused as error:
            raise CommandError(str(error)) from error
        _require_models(catalogue, wanted)
        _require_writable(json, "--json")
        _require_plot(plot)
        facts = machine.describe()
        for text in machine.warnings(facts):
            self.stderr.write(self.style.WARNING(text))
        with tempfile.TemporaryDirectory(prefix="auravideo-benchmark-") as folder:
            results, was_interrupted = self._measure(wanted, repeats, Path(folder), is_cold=not no_cold)
        self._report(results, json, plot, {"machine": facts, "complete": not was_interrupted})
        if was_interrupted:
            self.stderr.write(self.style.WARNING("Stopped. These are the figures so far."))
            sys.exit(INTERRUPTED)
        if any(result.error for result in results):
            sys.exit(SOME_FAILED)

    def _measure(
        self, wanted: Sequence[Case], repeats: int, folder: Path, *, is_cold: bool
    ) -> tuple[list[Result], bool]:
        """Return the results, and whether somebody stopped it."""
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        with tqdm(total=rounds.count(wanted, repeats), unit="clip", disable=None, leave=False) as bar:

            def tell(text: str, done: int) -> None:
                bar.update(done)
                bar.set_postfix_str(text, refresh=bool(text))

            benchmark = rounds.Benchmark(wanted, repeats, folder, is_cold=is_cold, tell=tell)
            try:
                benchmark.run()
            except KeyboardInterrupt:
                return benchmark.results, True
            finally:
                signal.signal(signal.SIGTERM, before)
        return benchmark.results, False

    def _report(self, results: list[Result], json: Path | None, picture: Path | None, facts: dict[str, Any]) -> None:
        compared = ratios(results)
        for line in table.lines(results, compared):
            self.stdout.write(line)
        if json:
            figures = {"results": [one.to_dict() for one in results], "ratios": [one.to_dict() for one in compared]}
            replace_text(json, json_module.dumps({"version": VERSION, **facts, **figures}, indent=2) + "\n")
        if picture:
            plot.draw(results, picture)


def _cases(catalogue: Catalogue, options: dict[str, Any]) -> list[Case]:
    models = options["models"] or [catalogue.default_model.id]
    without = Without(options["direct"]) if options["direct"] else None
    chosen = {name: options[name] for name in ("sizes", "seconds", "fps", "steps", "reload")}
    return cases.make(catalogue, models=models, without=without, **chosen)


def _require_models(catalogue: Catalogue, wanted: Sequence[Case]) -> None:
    for model in dict.fromkeys(catalogue.models[case.request.model] for case in wanted):
        needed = [model, *(entry for id in model.needs for entry in catalogue.with_needs(id))]
        if missing := [entry for entry in needed if not entry.is_available(settings.HOME)]:
            raise CommandError(f"--models: {missing[0].label} is not here. Get it with: {model.command}")


def _require_writable(path: Path | None, option: str) -> None:
    if path is None:
        return
    if path.is_dir() or not path.parent.is_dir():
        raise CommandError(f"{option}: {path} cannot be written: {path.parent} is not a folder, or it is one itself.")


def _require_plot(path: Path | None) -> None:
    _require_writable(path, "--plot")
    if path is not None and path.suffix not in plot.SUFFIXES:
        raise CommandError(f"--plot: {path.name} must end in one of {', '.join(plot.SUFFIXES)}.")
    if path is not None and find_spec("matplotlib") is None:
        raise CommandError("--plot needs matplotlib, which is not installed here. Use --json.")


def _size(text: str) -> str:
    """Return a size as a request spells it; that decides what is valid."""
    text = text[:20]
    return f"{text}x{text}" if text.isdigit() else text


def _within(most: int) -> Callable[[str], int]:
    """Return a type of argument: a whole number from 1 to `most`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
            raise ArgumentTypeError(f"must be a whole number from 1 to {most}, not {text[:20]!r}")
        return int(text)

    return read
