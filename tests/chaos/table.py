"""The outcome of a campaign as a table in Markdown, for docs/reliability.md."""

from statistics import median

from tests.chaos.campaign import Tally


def of(tally: Tally, title: str) -> str:
    """Return the table: one line per kind of fault, then what the whole campaign came to."""
    lines = [f"{title}", "", "| fault | times |", "|---|---|"]
    lines += [f"| {name} | {count} |" for name, count in sorted(tally.struck.items())]
    used = ", ".join(f"{count} {name or 'worker-lost'}" for name, count in sorted(tally.attempts.items())) or "none"
    lines += [
        f"| **{sum(tally.struck.values())} faults of {len(tally.struck)} kinds over {tally.clips} clips** | |",
        "",
        f"Went wrong: {len(tally.wrong)}. Attempts used up: {used}. Failed as they had to, and were taken up again: "
        f"{tally.retried} clips. Found nothing to hit: {sum(tally.missed.values())} faults. After its last fault, a "
        f"round took {median(tally.seconds):.0f} s to end (median), {max(tally.seconds):.0f} s at most. Left for "
        f"`manage.py prune`: {dict(tally.left_for_prune) or 'nothing'}. The pages answered {dict(tally.answers)}.",
    ]
    return "\n".join(lines)
