"""Whether torch computes on this machine's cards: prints JSON for `manage.py doctor`, which does not import torch.

    python -m workers.engines.card_trial

Only a kernel that runs shows that the installed ones fit the card and the driver: `is_available` is true for a card
that is too old for all of them.
"""

import json
import sys
from typing import Any

from workers.engines.device_errors import fault_of, first_line


def trial() -> dict[str, Any]:
    """Compute something small on every card that this process may use.

    Returns:
        `torch`: its version; `kernels`: what it was compiled for, such as "sm_86"; `problem`: why it finds no card, or
        ""; `cards`: for each its `name`, its `capability` such as "8.6", its `fault` (device_errors.Fault, "" if it
        works) and the driver's words as `problem`.
    """
    import torch

    found = torch.cuda.device_count()
    cards = [_try(index) for index in range(found)]
    problem = "" if found else _why_none()
    return {"torch": torch.__version__, "kernels": torch.cuda.get_arch_list(), "problem": problem, "cards": cards}


def _try(index: int) -> dict[str, str]:
    import torch

    card = {"name": "", "capability": "", "fault": "", "problem": ""}
    try:
        card["name"] = torch.cuda.get_device_name(index)
        card["capability"] = "{}.{}".format(*torch.cuda.get_device_capability(index))
        ones = torch.ones(8, 8, device=f"cuda:{index}", dtype=torch.float16)
        if (ones @ ones).sum().item() != 8**3:
            card["problem"] = "it computes wrongly"
    except Exception as error:
        card |= {"fault": str(fault_of(error) or ""), "problem": first_line(error)}
    return card


def _why_none() -> str:
    """Return what torch says when asked for a card."""
    import torch

    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:  # AssertionError: built without CUDA
        return first_line(error)
    return ""


if __name__ == "__main__":
    json.dump(trial(), sys.stdout)
