"""The paper's main table, measured: systems over all six tasks, beside what the paper reports of its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from routenlp.bench.six_tasks.rivals import OURS, Compared, adjusted, systems_of
from routenlp.bench.six_tasks.table import TIMING, Table, interval, milliseconds
from routenlp.cascade.decision import Reach
from routenlp.replay.intervals import Interval, RatioDraws, over_tasks, quantile_interval, wilson

PAPER: Mapping[str, str] = MappingProxyType(
    {
        "always:minilm": "0.891 / 0.013 / 142 / 0.1% (always T2)",
        "always:human-labels": "1.000 / 1.000 / 1847 / 38.2% (always T4)",
        "random_mix": "0.924 / 0.252 / 623 / 12.4%",
        "frugalgpt": "0.967 / 0.284 / 986 / 21.3%",
        "hybrid_llm": "0.972 / 0.312 / 874 / 18.7%",
        "routellm_mf": "0.969 / 0.246 / 841 / 17.2%",
        "automix": "0.958 / 0.231 / 1124 / 24.6%",
        OURS: "0.971 / 0.159 / 387 / 2.3%",
    }
)
"""Quality ratio / cost ratio / p99 in ms / SLA violations, as the paper's authors report them."""


def main_table(tasks: Mapping[str, Compared]) -> Table:
    """Ratios are means over tasks; p99 and SLA violations are over all queries."""
    every = list(tasks.values())
    quality = over_tasks([task.quality_ratio for task in every])
    cost = over_tasks([task.cost_ratio for task in every])
    rows = tuple(
        (
            name,
            interval(quality.interval(name)),
            interval(cost.interval(name)),
            _dearer(cost, name),
            milliseconds(quantile_interval(np.concatenate([task.runs[name].latency_s for task in every]), 0.99)),
            interval(_sla_missed(every, name)),
            PAPER.get(name, "–"),
        )
        for name in systems_of(every)
    )
    heads = (
        "system",
        "quality ratio",
        "cost ratio",
        "cost over routenlp's",
        f"p99 ms {TIMING}",
        f"SLA missed {TIMING}",
        "paper: quality / cost / p99 ms / SLA missed",
    )
    return Table("The paper's main table: every system tuned to the same target on the same rows", heads, rows)


def by_task(tasks: Mapping[str, Compared]) -> Table:
    """Quality and cost of each system on each task, with McNemar's test against routenlp, by Holm over tasks."""
    rows = []
    for system in systems_of(list(tasks.values())):
        p_values = adjusted(tasks, system)
        for name, task in tasks.items():
            q, c = task.quality_ratio.interval(system), task.cost_ratio.interval(system)
            p = f"{p_values[name]:.3g}" if name in p_values else "–"
            rows.append((system, name, interval(q), interval(c), p))
    heads = ("system", "task", "quality ratio", "cost ratio", "p, handled as often as by routenlp")
    return Table("The same, task by task", heads, tuple(rows))


def reach_table(tasks: Mapping[str, Compared]) -> Table:
    """The continuation rule beside its special cases on each task, at the target quality on the test rows."""
    rows = []
    for name, task in tasks.items():
        found = task.reaches
        costs = (interval(found.cost[reach]) for reach in (Reach.DEARER, Reach.ONCE, Reach.NEXT))
        known = [value for value in found.auroc if value is not None]
        ratios = (interval(found.over_better), interval(found.least_over_better))
        rows.append((name, *costs, *ratios, f"{max(known):.2f}" if known else "none"))
    costs_of = ("continuation rule", "route only", "cascade only")
    heads = ("task", *costs_of, "rule over the better", "the least of any rule", "AUROC")
    return Table("What the freedom to call any dearer tier at any time is worth", heads, tuple(rows))


def notes(tasks: Mapping[str, Compared]) -> list[str]:
    """What a reader must know to read the two tables rightly."""
    out = [
        "Every system of the main table is fitted on held-out predictions of the training rows, gets the same "
        "features, confidences and lengths, has some 20 to 40 policies from cautious to bold, and runs at the cheapest "
        "that keeps the target on the calibration rows. `routenlp` there is the same ladder that is certified, so its "
        "steps are as coarse as those of the others; what is served is chosen more finely, and on training rows too.",
        "What the freedom is worth: cost at the target on the hull of each rule's policies on test rows, so no choice "
        "of a policy is in it. The least of any rule: a router that is told all cheap tiers' confidences for nothing, "
        "over the better. AUROC: of the better cheap tier's confidence for its own quality of at least 1/2.",
        "The paper's column is what its authors report of their own tiers, data and machines: a yardstick, no rival in "
        "this run. `cost over routenlp's` is a difference of cost ratios under the same bootstrap draws.",
        "p99: where more than one query in a hundred ends at the top tier, it is about the top tier's, whose latency "
        "here is a model. The paper's own row sends 5% there.",
        "McNemar's test is exact and counts rows as independent; where rows share a group its p-values are too small.",
    ]
    missing = sorted({f"{name} on {task}: {why}" for task, c in tasks.items() for name, why in c.missing.items()})
    return out + [f"Not fitted: {line}" for line in missing]


def _dearer(cost: RatioDraws, name: str) -> str:
    return "–" if name == OURS else interval(cost.difference(name, OURS))


def _sla_missed(tasks: list[Compared], name: str) -> Interval:
    late = [task.runs[name].latency_s > task.sla_s for task in tasks]
    return wilson(int(sum(part.sum() for part in late)), int(sum(map(len, late))))
