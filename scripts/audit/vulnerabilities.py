"""Known vulnerabilities in every version that requirements*.txt pins, whatever platform it is for.

A package index that has no list answers as if nothing were known. So a list counts only if it knows an old
vulnerability.
"""

import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts.audit.outcomes import Outcome, State
from scripts.audit.tools import ROOT, tool

PART = "Packages"
KNOWN = "pyyaml==5.3"  # CVE-2020-14343, in every list
OSV = "https://api.osv.dev/v1/query"
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)", re.MULTILINE)


def check(osv_url: str = OSV, root: Path = ROOT) -> Outcome:
    """Check with the first list that can be reached: PyPI's, then OSV's."""
    lists: dict[str, tuple[str, ...]] = {osv_url: ("--vulnerability-service", "osv", "--osv-url", osv_url)}
    if osv_url == OSV:
        lists = {"https://pypi.org": ("--vulnerability-service", "pypi"), **lists}
    for name, options in lists.items():
        known = _audit([KNOWN], options)
        if known and known[0].get("vulns"):
            return _outcome(name, [row for pins in rounds(pinned(root)) for row in _audit(pins, options) or [{}]])
    return Outcome(PART, State.UNCHECKED, f"No list of known vulnerabilities could be reached ({', '.join(lists)}).")


def pinned(root: Path) -> dict[str, list[str]]:
    """Return the versions of each package in requirements*.txt of a folder."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in root.glob("requirements*.txt"):
        for package, version in _PIN.findall(path.read_text(encoding="utf-8")):
            found[package].add(version)
    return {package: sorted(versions) for package, versions in sorted(found.items())}


def rounds(versions: dict[str, list[str]]) -> Iterator[list[str]]:
    """Yield lists of pins that name each package once, as pip-audit wants them."""
    for number in range(max(map(len, versions.values()), default=0)):
        yield [f"{package}=={found[number]}" for package, found in versions.items() if number < len(found)]


def _audit(pins: list[str], options: Iterable[str]) -> list[dict] | None:
    """Return pip-audit's answer, one row a package; None if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "requirements.txt")
        path.write_text("\n".join(pins) + "\n", encoding="utf-8")
        fixed = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--desc", "off", "--format", "json")
        done = tool("pip-audit", *fixed, *options, "--requirement", str(path))
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None


def _outcome(name: str, rows: list[dict]) -> Outcome:
    found = tuple(_line(row, known) for row in rows for known in row.get("vulns", ()))
    unknown = tuple(row.get("skip_reason", "pip-audit failed.") for row in rows if "vulns" not in row)
    checked = f"{len(rows) - len(unknown)} versions checked at {name}"
    if found:
        return Outcome(PART, State.FOUND, f"{checked}, {len(found)} known vulnerabilities.", (*found, *unknown))
    if unknown:
        return Outcome(PART, State.UNCHECKED, f"{checked}, {len(unknown)} not.", unknown)
    return Outcome(PART, State.CLEAN, f"{checked}, no known vulnerabilities.")


def _line(row: dict, known: dict) -> str:
    fixed = ", ".join(known["fix_versions"]) or "no version yet"
    return f"{row['name']} {row['version']}: {' '.join([known['id'], *known['aliases']])}, fixed in {fixed}"
