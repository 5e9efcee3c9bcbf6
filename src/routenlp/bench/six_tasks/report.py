"""What a run says: tables, notes, and the JSON that other programs read."""

from __future__ import annotations

from collections.abc import Mapping

from routenlp.bench.six_tasks import main_table, table
from routenlp.bench.six_tasks.measures import Measures, TaskMeasures
from routenlp.bench.six_tasks.run import Result
from routenlp.bench.six_tasks.systems import ASYMPTOTIC, CERTIFIED, ROUTENLP, always, verdict_at
from routenlp.bench.six_tasks.table import Table
from routenlp.conformal.verdict import Status
from routenlp.replay.intervals import Interval
from routenlp.settings import Settings

AIMS = {"cs_intent": 0.10, "legal_clause": 0.27, "legal_risk": 0.19}
"""Cost ratios on all test rows that this bench aims at, at a quality ratio of 0.97 where the policy was chosen."""
ROUTING_TARGET_S = 0.0005
_LABELS = (
    "The top tier `{top}` replays the data's human labels. It is not a model and never errs, so its quality is 1 by "
    "definition; its latency is drawn from a log-normal with median 800 ms and p99 1,847 ms."
)
_MODELS = (
    "The top tier `{top}` is a language model of 135M parameters, recorded: quality ratios are to its answers, and the "
    "human reference is the yardstick of both. It stands in for a large model in place and price alone. Its latency is "
    "drawn from a log-normal with median 800 ms and p99 1,847 ms; that of the cheaper language model follows from its "
    "tokens and the speed measured on two processor cores (docs/record.md)."
)
FEW_GROUPS = 30


def main_tables(result: Result) -> list[Table]:
    """Every system over the tasks, then routenlp task by task, then what is proved."""
    systems = list(next(iter(result.overall.values())))
    ours = [_of(measures, ROUTENLP) for measures in result.tasks.values()]
    return [
        table.overall("All tasks: every task counts the same, then weighted by queries", systems, result.overall),
        table.by_task("routenlp, task by task: quality and cost", ours, table.QUALITY),
        table.by_task("routenlp, task by task: what escalation did, and how long it took", ours, table.ERRORS),
        proofs(result, CERTIFIED, Status.CERTIFIED),
        proofs(result, ASYMPTOTIC, Status.ASYMPTOTIC),
    ]


def short_tables(result: Result) -> list[Table]:
    """What the demo shows: every system over all tasks, and what is proved."""
    shown = main_tables(result)
    return [shown[0], *shown[3:]]


def task_tables(result: Result) -> list[Table]:
    """Every system on every task."""
    out = []
    for name, measures in result.tasks.items():
        for columns, what in ((table.QUALITY, "quality and cost"), (table.ERRORS, "errors and latency")):
            out.append(table.by_system(f"{name}: {what}", measures.rows, columns))
    return out


def rival_tables(result: Result) -> list[Table]:
    """The paper's main table, where its systems were asked for."""
    make = (main_table.main_table, main_table.by_task, main_table.reach_table)
    return [table_of(result.compared) for table_of in make] if result.compared else []


def headline(result: Result) -> str:
    """The result in one plain sentence."""
    cost, quality = result.overall["cost ratio"][ROUTENLP], result.overall["quality ratio"][ROUTENLP]
    kind = "generated queries" if result.workload.generated else "queries"
    n = sum(m.rows[0].n for m in result.tasks.values())
    return (
        f"On {n:,} held-out {kind} of {len(result.tasks)} tasks, routenlp cost {_percent(cost)} of sending everything "
        f"to the top tier and kept {_percent(quality)} of its quality (means over tasks)."
    )


def notes(result: Result, settings: Settings, *, labels_on_top: bool = True) -> list[str]:
    """What a reader must know to read the tables rightly. `labels_on_top`: whether people are the top tier."""
    portfolio = result.prepared.frame.portfolio
    out = [
        f"Rows: {result.workload.where}"
        + (
            "; a fixed sample of them, at most 1,500 + 300 a task and 60 transcripts."
            if result.workload.sampled
            else "."
        ),
        (_LABELS if labels_on_top else _MODELS).format(top=portfolio.top),
        "Prices are the paper's relative prices per 1K tokens ("
        + ", ".join(f"{t.name} {t.price.input_usd_per_mtok / 1000:g}" for t in portfolio.tiers)
        + "); they are settings. A cost ratio counts every tier that was called.",
        "`routenlp` is EMPIRICAL: of each task's continuation rules the cheapest whose quality ratio reaches "
        + ", ".join(sorted({f"{1 - settings.tasks[t].eps:g}" for t in result.tasks}))
        + " on training rows, as models that had not seen them answered those, and calibration rows together. Nothing "
        "is proved about new rows; being picked as the cheapest, it tends to fall a little short there.",
        "`routenlp, certified` walks the same list of rules, which training rows fixed, on the calibration rows (rule "
        "quality_ratio): where it is CERTIFIED, the quality ratio on new rows like these is at least the target, with "
        "probability 0.9 over calibration draws. `routenlp, asymptotic` takes a normal approximation for proof as well "
        "(250 rows or groups at least). Elsewhere the top tier serves.",
        "`routenlp, in time` keeps each task's limit of latency for 99% of its queries, whatever the quality. In the "
        "others time plays no part: the top tier's median is over the limit of four of the six tasks, so what is late "
        "there is what the top tier answers, and the cheapest policy is the one that is late least often.",
        "`paper's thresholds` begin at the cheapest tier, with the alphas that are cheapest at the same target on "
        "calibration rows; *published alpha* is the paper's 0.05.",
        "Intervals are 95%: for quality, ratios and costs a paired bootstrap of groups (10,000 draws), for shares "
        "Wilson's, for latencies order statistics.",
    ]
    few = [f"{n} ({_of(m, ROUTENLP).groups})" for n, m in result.tasks.items() if _of(m, ROUTENLP).groups < FEW_GROUPS]
    if few:
        out.append(f"Few independent groups in test, so wide intervals and EMPIRICAL at most: {', '.join(few)}.")
    if "cs_response" in result.tasks:
        out.append("cs_response has one reference a row, for which ROUGE-L is a weak measure of a reply.")
    if labels_on_top and any("rouge_l" in m.rows[0].corpus for m in result.tasks.values()):
        out.append(
            "On generation the human reference is the yardstick and the top tier alike, so nothing cheaper comes near "
            "0.97 of it and nearly everything escalates."
        )
    if result.workload.generated:
        out.append("All rows were GENERATED from templates: they show the machinery, not savings.")
    out.append(f"{table.TIMING} Timings of one machine; everything else is reproducible.")
    return out


def operating_points(result: Result) -> list[Table]:
    """Where each task's policy lies on its ladder, and where the sweep of the paper's thresholds ended."""
    return [_policies(result), _thresholds(result)]


def _policies(result: Result) -> Table:
    rows = []
    for task, tuned in result.prepared.calibrated.tuned.items():
        utility = tuned.rule.utility
        looks = "no" if utility.options is None else "yes"
        rows.append((task, f"{utility.price:.3f}", looks, f"{tuned.quality_ratio:.3f}", f"{tuned.cost_ratio:.3f}"))
    heads = ("task", "price of cost", "looks ahead", "quality ratio there", "cost ratio there")
    return Table("routenlp's operating points, chosen on training and calibration rows together", heads, tuple(rows))


def _thresholds(result: Result) -> Table:
    rows = []
    for task, setting in result.prepared.calibrated.swept.items():
        tiers = zip(result.prepared.frame.portfolio.names, setting.thresholds, strict=False)
        limits = ", ".join(
            f"{tier} none" if t.threshold is None else f"{tier} u <= {t.threshold:.3f} (alpha {t.alpha:g})"
            for tier, t in tiers
        )
        rows.append((task, limits, f"{setting.quality_ratio:.3f}", f"{setting.cost_ratio:.3f}"))
    heads = ("task", "thresholds", "quality ratio there", "cost ratio there")
    return Table("The paper's thresholds, swept on the calibration rows", heads, tuple(rows))


def proofs(result: Result, system: str, weakest: Status) -> Table:
    """What is proved of a system whose cheap tiers serve from status `weakest` on, task by task."""
    rows = []
    for task, measures in result.tasks.items():
        policies, tested = result.prepared.calibrated.policies[task], _of(measures, system)
        v = verdict_at(policies, weakest)
        if weakest is Status.ASYMPTOTIC and not policies.proved(weakest):
            v = policies.asymptotic
        bound = "–" if v.bound is None else f"{v.bound:.3f}"
        units = f"{v.n:,}" if v.groups == v.n else f"{v.n:,} in {v.groups:,} groups"
        cells = (table.interval(tested.quality_ratio), table.interval(tested.cost_ratio))
        rows.append((task, str(v.status).upper(), units, bound, *cells, v.reason))
    heads = ("task", "status", "calibration rows", "bound", "quality ratio on test", "cost ratio on test", "why")
    return Table(f"{system}: what is proved, task by task", heads, tuple(rows))


def checks(result: Result, limits: Mapping[str, float]) -> list[dict[str, object]]:
    """The promises that this bench measures. `limits`: seconds and peak_rss_mb allowed."""
    names = result.prepared.frame.portfolio.names
    out: list[dict[str, object]] = []
    for task, aim in AIMS.items():
        if task in result.tasks and not result.workload.sampled and not result.workload.generated:
            out.append(_check(f"cost ratio of {task}", _of(result.tasks[task], ROUTENLP).cost_ratio.estimate, aim))
    for task, measures in result.tasks.items():
        cheap, dear = (_of(measures, always(tier)).quality.estimate or 0.0 for tier in names[:2])
        value = round(dear - cheap, 6)
        out.append(
            {"name": f"{names[1]} beats {names[0]} on {task}", "value": value, "target": 0.0, "holds": value > 0.0}
        )
    out.append(_check("routing decision, median seconds", result.routing_s.estimate, ROUTING_TARGET_S))
    out.append(_check("seconds", result.seconds, limits["seconds"]))
    out.append(_check("peak resident memory, MB", result.peak_rss_mb, limits["peak_rss_mb"]))
    return out


def _check(name: str, value: float | None, target: float) -> dict[str, object]:
    return {"name": name, "value": value, "target": target, "holds": value is not None and value <= target}


def _of(measures: TaskMeasures, system: str) -> Measures:
    return next(row for row in measures.rows if row.system == system)


def _percent(value: Interval) -> str:
    return "an unknown share" if value.estimate is None else f"{value.estimate:.1%}"
