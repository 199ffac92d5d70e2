"""Limits of labels: a label has at most a hundred values, whatever a site has set up.

The first hundred aliases by name are named in metrics, and all others are added up as "other".
"""

from collections import defaultdict
from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from integrations.models.registry import Alias

MOST_ALIASES, MOST_REGISTRIES = 100, 20
OTHER = "other"
Labels = tuple[tuple[str, str], ...]


def named_aliases() -> frozenset[str]:
    """Aliases that have a value of the label `alias`."""
    return frozenset(Alias.objects.order_by("name").values_list("name", flat=True)[:MOST_ALIASES])


class LimitedAliases(Collector):
    """The metrics of another collector, with few values of the label `alias`.

    `names`: the aliases that are named. None if they are not known: then metrics by alias are left out, as counters
    that moved to "other" and back would look as if they had been reset.
    """

    def __init__(self, collector: Collector, names: frozenset[str] | None) -> None:
        self.collector, self.names = collector, names

    def collect(self) -> Iterable[Metric]:
        for metric in self.collector.collect():
            if not any("alias" in sample.labels for sample in metric.samples):
                yield metric
            elif self.names is not None:
                yield add_up(metric, self.names)


def add_up(metric: Metric, names: frozenset[str]) -> Metric:
    sums: defaultdict[tuple[str, Labels], float] = defaultdict(float)
    for sample in metric.samples:
        if not sample.name.endswith("_created"):
            sums[sample.name, limit_alias(sample.labels, names)] += sample.value
    limited = Metric(metric.name, metric.documentation, metric.type, metric.unit)
    for (name, labels), value in sums.items():
        limited.add_sample(name, dict(labels), value)
    return limited


def limit_alias(labels: dict[str, str], names: frozenset[str]) -> Labels:
    alias = labels.get("alias", "")
    return tuple(sorted({**labels, "alias": alias if alias in names else OTHER}.items()))
