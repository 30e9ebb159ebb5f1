"""Management command `fetch_models`: list, download and verify the catalogue's models (docs/models.md)."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from auravideo.commands import manage
from generation.catalogue import approved, download, lockfile
from generation.catalogue.load import BaseModel, Catalogue, CatalogueError, Entry, load_catalogue
from generation.domain.errors import RenderError

_INTERRUPTED = 130  # the exit code that shells use for Ctrl-C


class Command(BaseCommand):
    help = "List, download and verify the models that AuraVideo can use."
    requires_system_checks = ()  # fetching files needs no database
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID", help="models to fetch, with everything they need")
        parser.add_argument("--all", action="store_true", help="fetch everything in the catalogue")
        parser.add_argument("--list", action="store_true", help="list all models and their state on this machine")
        parser.add_argument("--verify", action="store_true", help="verify every byte of the models on this machine")
        parser.add_argument("--offline", action="store_true", help="use no network; report what is missing")
        parser.add_argument(
            "--accept-unpinned",
            action="store_true",
            help="fetch what the catalogue names no commit or hashes for, and trust what comes from then on",
        )
        parser.add_argument("--yes", action="store_true", help="fetch without asking what a model's licence excludes")
        parser.add_argument("--revision", metavar="REV", help="a commit, tag or branch to fetch instead (one ID only)")

    def handle(self, *args: Any, **options: Any) -> None:
        self.home = Path(settings.HOME)
        self.may_ask = not options["yes"]
        try:
            catalogue = load_catalogue(settings.CATALOGUE_FILE or None, approved.path(self.home))
            self._run(catalogue, options)
        except (download.FetchError, CatalogueError) as error:
            raise CommandError(str(error)) from error
        except RenderError as error:
            raise CommandError(str(error.text)) from error
        except KeyboardInterrupt:
            self.stderr.write("Stopped. Run the same command again to resume.")
            sys.exit(_INTERRUPTED)

    def _run(self, catalogue: Catalogue, options: dict[str, Any]) -> None:
        if options["revision"] and len(options["ids"]) != 1:
            raise CommandError("--revision takes exactly one ID: fetch_models ID --revision REV")
        if options["list"] or not (options["ids"] or options["all"] or options["verify"]):
            self._list(catalogue)
            return
        chosen = self._chosen(catalogue, options["ids"], everything=options["all"])
        if options["verify"]:
            chosen = chosen or [entry for entry in catalogue if entry.is_available(self.home)]
        entries = [entry for entry in chosen if entry.files_id == entry.id]
        self._tell_variants(entry for entry in chosen if entry not in entries)
        if options["revision"] and options["ids"][0] not in {entry.id for entry in entries}:
            raise CommandError("A variant has no files of its own: give --revision for the model whose files it uses.")
        if options["verify"]:
            self._verify(entries)
        elif options["offline"]:
            self._offline(entries)
        else:
            revisions = {options["ids"][0]: options["revision"]} if options["revision"] else {}
            if not options["accept_unpinned"]:
                self._refuse_unknown(entry for entry in entries if entry.id not in revisions)
            self._fetch(entries, revisions)

    def _tell_variants(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.stdout.write(f"{entry.id}: uses the files of {entry.files_id}")

    def _refuse_unknown(self, entries: Iterable[Entry]) -> None:
        """Raise CommandError, before anything is fetched, if the operator has to decide whether to trust a hub."""
        if unknown := [entry.id for entry in entries if download.is_unknown(entry, self.home)]:
            raise CommandError(
                f"The catalogue has neither a commit nor hashes for {', '.join(unknown)}, so nobody can tell whether "
                "what the hub serves is what it should be. If you trust it, add --accept-unpinned: the commit and the "
                "hashes of what comes are shown and written to the lock file, and nothing else is accepted later."
            )

    def _chosen(self, catalogue: Catalogue, ids: Iterable[str], *, everything: bool) -> list[Entry]:
        if everything:
            return list(catalogue)
        chosen: dict[str, Entry] = {}
        for id in ids:
            try:
                chosen.update({entry.id: entry for entry in catalogue.with_needs(id)})
            except KeyError:
                known = ", ".join(entry.id for entry in catalogue if not entry.builtin)
                raise CommandError(f"There is no model '{id}'. There are: {known}") from None
        return list(chosen.values())

    def _list(self, catalogue: Catalogue) -> None:
        rows = [("ID", "KIND", "STATE", "SIZE", "LICENCE", "FOR")]
        for entry in catalogue:
            state = _state(entry, self.home, catalogue)
            rows.append((entry.id, entry.kind, state, _size(entry), entry.licence, entry.purpose))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            self.stdout.write("  ".join([*cells, row[-1]]).rstrip())
        for notice in _notices(catalogue):
            self.stdout.write(f"\n{notice}")
        self.stdout.write(f"\nModels are kept in {self.home / 'models'}. Fetch one: {manage('fetch_models ID')}")

    def _verify(self, entries: Iterable[Entry]) -> None:
        broken = 0
        for entry in entries:
            try:
                lockfile.verify(entry, self.home, every_byte=True)
            except RenderError as error:
                broken += 1
                self.stdout.write(f"{entry.id}: {error.text}")
            else:
                unlocked = not entry.builtin and entry.id not in lockfile.read_lock(self.home)
                self.stdout.write(f"{entry.id}: {'here, but not in the lock file' if unlocked else 'as it should be'}")
        if broken:
            raise CommandError(f"{broken} of the models checked cannot be used.")

    def _offline(self, entries: Iterable[Entry]) -> None:
        missing = []
        for entry in entries:
            try:
                if entry.builtin or entry.id in lockfile.read_lock(self.home):
                    lockfile.verify(entry, self.home)
                else:
                    download.adopt(entry, self.home)
                self.stdout.write(f"{entry.id}: here")
            except download.FetchError as error:
                missing.append(str(error))
            except RenderError as error:
                missing.append(f"{entry.id}: {error.text}")
        if missing:
            raise CommandError("\n".join(missing))

    def _fetch(self, entries: Iterable[Entry], revisions: dict[str, str]) -> None:
        with download.only_one(self.home):
            plans = []
            for entry in entries:
                if entry.id not in revisions and (entry.builtin or download.is_ready(entry, self.home)):
                    self.stdout.write(f"{entry.id}: {'ships with AuraVideo' if entry.builtin else 'here'}")
                elif not entry.sources():
                    download.adopt(entry, self.home)
                    self.stdout.write(f"{entry.id}: here, in {entry.path(self.home)}")
                else:
                    plans.append(download.plan_download(entry, self.home, revisions.get(entry.id)))
            total = download.check_space(plans, self.home)
            self._ask(list(_notices(plan.entry for plan in plans)))
            with _Bars(total, self.stdout.write) as bars:
                for plan in plans:
                    download.fetch(plan, self.home, bars)
                    commits = ", ".join(source["commit"][:12] for source in plan.sources)
                    bars.say(f"{plan.entry.id}: fetched ({commits}), licence: {plan.entry.licence}")
                    if not plan.entry.is_pinned:
                        self._show(plan, bars.say)

    def _ask(self, notices: Sequence[str]) -> None:
        """Say what one must know before a download, and let the operator agree.

        Raises:
            CommandError: the operator declined, or nobody is there to be asked.
        """
        for notice in notices:
            self.stdout.write(notice)
        if not notices or not self.may_ask:
            return
        if not sys.stdin.isatty():
            raise CommandError("Nothing was fetched. If what is said above does not keep you from it, add --yes.")
        self.stdout.write("Fetch it? [y/N] ", ending="")
        self.stdout.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was fetched.")

    def _show(self, plan: download.DownloadPlan, say: Callable[[str], object]) -> None:
        """Print what is trusted from now on, as it would be written into a catalogue."""
        for source in plan.sources:
            say(f"  trusted from now on: {source['repo']} at {source['commit']}")
        for name, file in lockfile.read_lock(self.home)[plan.entry.id]["files"].items():
            say(f"  {file['sha256']}  {name}")


def _notices(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield what one must know before a download. A variant's are those of its model."""
    for entry in entries:
        if isinstance(entry, BaseModel) and entry.notice and entry.variant_of is None:
            yield f"{entry.id}: {entry.notice}"


def _size(entry: Entry) -> str:
    if entry.builtin:
        return ""
    if entry.files_id != entry.id:
        return f"with {entry.files_id}"
    if not entry.download_mb:
        return "not stated" if entry.repo else ""
    return f"{entry.download_mb / 1000:.1f} GB" if entry.download_mb >= 1000 else f"{entry.download_mb} MB"


def _state(entry: Entry, home: Path, catalogue: Catalogue) -> str:
    state = _state_of_files(entry, home)
    if state != "-" and isinstance(entry, BaseModel) and entry.lora is not None:
        return state if catalogue.styles[entry.lora[0]].is_available(home) else "partly"
    return state


def _state_of_files(entry: Entry, home: Path) -> str:
    missing = entry.missing_files(home)
    if entry.builtin:
        return "not built" if missing else "ships"
    if not missing:
        return "here" if lockfile.locked_sizes(home, entry.files_id) else "unchecked"
    return "partly" if any((entry.path(home) / name).exists() for name in entry.local_files()) else "-"


class _Bars:
    """tqdm bars on standard error, one for all files and one for the current file; `write` prints lines."""

    def __init__(self, total: int, write: Callable[[str], object]) -> None:
        self._write = write
        self._options: dict[str, Any] = {"unit": "B", "unit_scale": True, "disable": None, "dynamic_ncols": True}
        self._overall = tqdm(total=total, desc="all files", position=0, **self._options)
        self._file = tqdm(disable=True)

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_exc: object) -> None:
        self._file.close()
        self._overall.close()

    def say(self, line: str) -> None:
        """Print a line above the bars, if there are any."""
        with tqdm.external_write_mode():
            self._write(line)

    def file(self, name: str, size: int, done: int) -> None:
        self._file = tqdm(
            total=size,
            initial=done,
            desc=name if len(name) <= 40 else "…" + name[-39:],
            position=1,
            leave=False,
            **self._options,
        )
        self._overall.update(done)

    def advance(self, count: int) -> None:
        self._file.update(count)
        self._overall.update(count)

    def file_done(self, name: str) -> None:
        self._file.close()
        if self._overall.disable:  # not a terminal: print a line per file instead
            self.say(f"  {name}")
