"""What torch's own allocator says, to compare the rig with: it knows nothing of dispatch modes or of paper."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile

PROCESSOR = 0  # the trace's number of the device type


def allocated_at_most(work: Callable[[], Any], folder: Path) -> int:
    """Run `work` and return the most bytes that torch's allocator for main memory held at once, beyond those before.

    The profiler notes every allocation and release inside the allocator; its trace is written to `folder`.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        work()
    trace = folder / "trace.json"
    record.export_chrome_trace(str(trace))
    events = json.loads(trace.read_text())["traceEvents"]
    changes = [event for event in events if event["name"] == "[memory]"]
    now = most = 0
    for event in sorted(changes, key=lambda event: event["ts"]):
        if event["args"]["Device Type"] == PROCESSOR:
            now += event["args"]["Bytes"]
            most = max(most, now)
    return most
