"""The access table, read for attackers: every address and what it answers to whom."""

from fnmatch import fnmatchcase

from tests.access_table import ACCESS
from tests.addresses import Address, addresses

_HEADER, *_ROWS = [line.split() for line in ACCESS.strip().splitlines() if line.strip()]
_EXACT = {row[0] for row in _ROWS if "*" not in row[0]}


def answers_of(address: Address) -> dict[tuple[str, str], str]:
    """Return what an address answers, by method and person."""
    fits = [row for row in _ROWS if row[0] == address.name]
    if address.name not in _EXACT:
        fits = [row for row in _ROWS if "*" in row[0] and fnmatchcase(address.name, row[0])]
    return {(row[1], person): answer for row in fits for person, answer in zip(_HEADER[2:], row[2:], strict=True)}


def is_staffs(address: Address) -> bool:
    """Return whether an address belongs to the administration."""
    return address.route.startswith("/admin/")


def may_open(address: Address, person: str) -> bool:
    """Return whether somebody of the staff may see or do something at an address of the administration."""
    answers = answers_of(address)
    return is_staffs(address) and any(
        answers.get((method, person)) in ("200", "to", "405") for method in ("GET", "POST")
    )


def posts() -> list[Address]:
    """Return every address that takes forms: those of the table, and the pages of accounts that have one."""
    found = []
    for address in addresses():
        answers = answers_of(address)
        of_owner = answers.get(("POST", "owner"))
        has_form = address.name.startswith(("account_", "mfa_", "accounts:")) and answers.get(("GET", "owner")) != "405"
        if (of_owner is not None or has_form) and not is_staffs(address):
            found.append(address)
    return found
