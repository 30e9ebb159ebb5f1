"""Every kind of fault of the campaign."""

from tests.chaos.faults import deploys, frames, inside, messages, network, outages, people, processes
from tests.chaos.plan import Kind

KINDS: tuple[Kind, ...] = (
    *processes.KINDS,
    *messages.KINDS,
    *outages.KINDS,
    *network.KINDS,
    *frames.KINDS,
    *inside.KINDS,
    *people.KINDS,
    *deploys.KINDS,
)
