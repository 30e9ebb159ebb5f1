"""List what a crash, a mistake or time left behind, and delete it if asked to."""

from argparse import ArgumentParser
from collections import defaultdict

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from gallery.pruning import run
from gallery.pruning.findings import Finding, Sweep

HEADER = ("KIND", "COUNT", "SIZE", "WHY")


class Command(BaseCommand):
    help = (
        "List what nobody needs any more and why: frames without a job, files without a video, empty files, expired "
        "sessions, what the retention rules no longer keep, and videos whose file is gone. Nothing is deleted without "
        "--delete. The scheduler deletes the same every hour, except videos whose file is gone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = [sweep.id for sweep in run.SWEEPS]
        parser.add_argument("--delete", action="store_true", help="delete what is listed")
        parser.add_argument("--only", nargs="+", metavar="KIND", choices=kinds, help=f"any of: {', '.join(kinds)}")
        parser.add_argument("--list", action="store_true", help="name every single thing")

    def handle(self, *, delete: bool, only: list[str] | None, list: bool, **_options: object) -> None:
        sweeps = [sweep for sweep in run.SWEEPS if only is None or sweep.id in only]
        found = {sweep: [*run.find(sweep)] for sweep in sweeps}
        self._print(found, list)
        if not any(found.values()):
            self.stdout.write("There is nothing to prune.")
        elif delete:
            self._delete(found, only or [])
        else:
            self.stdout.write("\nNothing was deleted. To delete it, run this again with --delete.")

    def _print(self, found: dict[Sweep, list[Finding]], in_full: bool) -> None:
        rows = [HEADER]
        for sweep, findings in found.items():
            for why, some in _by_reason(findings).items():
                size = sum(finding.size for finding in some)
                shown = str(filesizeformat(size)).replace("\u00a0", " ") if size else ""
                rows.append((sweep.id, str(sum(finding.count for finding in some)), shown, why))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        if len(rows) > 1:
            for row in rows:
                self.stdout.write("  ".join([*(row[n].ljust(widths[n]) for n in range(3)), row[3]]))
        for finding in [finding for some in found.values() for finding in some] if in_full else []:
            self.stdout.write(f"{finding.name}: {finding.why}")

    def _delete(self, found: dict[Sweep, list[Finding]], named: list[str]) -> None:
        deleted, failed = 0, 0
        for sweep, findings in found.items():
            if sweep.asks and sweep.id not in named:
                if findings:
                    self.stdout.write(f"\nNot deleted: {sweep.about}. Restore them from a backup, or name the kind: "
                                      f"--only {sweep.id} --delete")  # fmt: skip
                continue
            if sweep.id == "broken" and not run.any_intact():
                raise CommandError("Not one video has its file. Is the right storage mounted? Nothing was deleted.")
            for finding in findings:
                worked = run.delete(sweep, finding)
                deleted += finding.count if worked else 0
                failed += not worked
        self.stdout.write(self.style.SUCCESS(f"\nDeleted: {deleted}."))
        if failed:
            raise CommandError(f"{failed} could not be deleted; the log says why.")


def _by_reason(findings: list[Finding]) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.why].append(finding)
    return groups
