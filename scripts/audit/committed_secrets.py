"""Secrets in what was ever committed, as Kingfisher finds them. It asks nobody whether they still work."""

import json
import tempfile
from pathlib import Path

from scripts.audit.outcomes import Outcome, State
from scripts.audit.tools import ROOT, run, tool

PART = "Secrets"
FOUND = (0, 200)  # Kingfisher's exit codes: nothing, or something
EXAMPLES = "^password$"  # of addresses in our texts


def check(root: Path = ROOT) -> Outcome:
    """Check everything that the current branch has ever contained."""
    with tempfile.TemporaryDirectory() as folder:
        # A clone has what was committed and nothing else: no home with keys, no packages.
        clone, report = f"{folder}/clone.git", Path(folder, "report.json")
        cloned = run("git", "clone", "--quiet", "--bare", "--single-branch", str(root), clone)
        if cloned.returncode:
            return Outcome(PART, State.UNCHECKED, "This is not a git checkout.")
        options = ("--no-validate", "--no-update-check", "--skip-regex", EXAMPLES, "--format", "json", "--output")
        done = tool("kingfisher", "scan", clone, "--git-history", "full", *options, str(report))
        if done.returncode not in FOUND or not report.exists():
            return Outcome(PART, State.UNCHECKED, "Kingfisher failed.", tuple(done.stderr.splitlines()[-3:]))
        return _outcome(json.loads(report.read_text()))


def _outcome(report: dict) -> Outcome:
    scanned = report["metadata"]["summary"]["blobs_scanned"]
    found = tuple(_line(finding) for finding in report["findings"])
    if not scanned:
        return Outcome(PART, State.UNCHECKED, "Kingfisher read no file.")
    if found:
        return Outcome(PART, State.FOUND, f"{len(found)} in {scanned} files, former versions included.", found)
    return Outcome(PART, State.CLEAN, f"none in {scanned} files, former versions included.")


def _line(found: dict) -> str:
    place = found["finding"]
    commit = place.get("git_metadata", {}).get("commit", {}).get("id", "")[:10]
    return f"{place['path']}:{place['line']} in {commit}: {found['rule']['description']}"
