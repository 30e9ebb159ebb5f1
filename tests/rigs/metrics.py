"""Reading of /metrics as Prometheus does: with prometheus_client's own parser."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families


def samples(source: str | Iterable[Metric]) -> dict[tuple, float]:
    """Return the value of every sample: {(name, label=value, ...): value}, labels sorted."""
    families = text_string_to_metric_families(source) if isinstance(source, str) else source
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
