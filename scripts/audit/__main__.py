"""Print what each part finds. Exit codes: 0 all is clean, 1 something was found, 3 something was not checked."""

import argparse

from scripts.audit import committed_secrets, tools, unsafe_code, vulnerabilities
from scripts.audit.outcomes import Outcome, State, exit_code


def main() -> int:
    """Run the audit."""
    parser = argparse.ArgumentParser(prog="python -m scripts.audit", description=__doc__)
    parser.add_argument("--osv-url", default=vulnerabilities.OSV, help="a mirror of %(default)s")
    osv_url = parser.parse_args().osv_url
    outcomes = [unsafe_code.check()]
    if tools.are_there():
        outcomes += [committed_secrets.check(), vulnerabilities.check(osv_url)]
    else:
        parts = (committed_secrets.PART, vulnerabilities.PART)
        outcomes += [Outcome(part, State.UNCHECKED, tools.UNREACHABLE) for part in parts]
    for outcome in outcomes:
        print(outcome)
    return exit_code(outcomes)


if __name__ == "__main__":
    raise SystemExit(main())
