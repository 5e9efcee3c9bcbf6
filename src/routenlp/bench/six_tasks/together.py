"""Parts of one bench side by side: structured and generation tasks apart, beside the paper's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType

from routenlp.bench.frame import frame
from routenlp.bench.six_tasks import generation_targets as targets
from routenlp.bench.six_tasks import gradings, main_table, report
from routenlp.bench.six_tasks.generation_targets import AtEps
from routenlp.bench.six_tasks.gradings import Graded
from routenlp.bench.six_tasks.measures import TaskMeasures
from routenlp.bench.six_tasks.parts import BEFORE, EVERY, GENERATION, STRUCTURED, Part
from routenlp.bench.six_tasks.run import Result
from routenlp.bench.six_tasks.systems import ASYMPTOTIC, CERTIFIED, ROUTENLP, served
from routenlp.bench.six_tasks.table import Table, interval
from routenlp.replay.intervals import RatioDraws, over_tasks
from routenlp.replay.report.human import NOT_YET

PAPER: Mapping[str, str] = MappingProxyType(
    {
        STRUCTURED: "about 0.99 (0.96 to 1.00) / 0.15 to 0.22",
        BEFORE: "–",
        GENERATION: "about 0.96 (0.96 to 0.98) / 0.53 to 0.60",
        EVERY: "0.971 / 0.159",
    }
)
"""Quality ratio / cost ratio, as the paper's authors report them of their own tiers and data."""
NOT_RATED = (
    f"Human evaluation of generated answers: {NOT_YET}. docs/human-evaluation.md says how people compare answers "
    "blindly; no model's grade ever stands in for theirs (paper: 74.5% as good or better)."
)


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """One part with its figures; the last two are of generation alone, else empty."""

    part: Part
    result: Result
    graded: Mapping[str, Mapping[str, Graded]]
    swept: Mapping[str, list[AtEps]]


def summary(done: Sequence[Done]) -> Table:
    """Means over tasks of each part, and over all."""
    groups: list[tuple[str, list[TaskMeasures]]] = [(d.part.name, list(d.result.tasks.values())) for d in done]
    groups.append((EVERY, [m for name, tasks in groups if name != BEFORE for m in tasks]))
    rows = []
    for name, tasks in groups:
        for system in (ROUTENLP, ASYMPTOTIC, CERTIFIED):
            of_all = ([t.quality_ratio for t in tasks], [t.cost_ratio for t in tasks])
            both = (over_tasks([_only(draws, system) for draws in its]).interval(system) for its in of_all)
            beside = PAPER[name] if system == ROUTENLP else "–"
            rows.append((f"{name} ({len(tasks)})", system, *map(interval, both), beside))
    heads = ("tasks", "system", "quality ratio", "cost ratio", "paper: quality / cost")
    return Table("Structured and generation tasks apart: every task counts the same", heads, tuple(rows))


def served_parts(done: Sequence[Done]) -> list[Done]:
    """Those that aims are held against: not what was before the turn."""
    return [d for d in done if d.part.name != BEFORE]


def headlines(done: Sequence[Done]) -> list[str]:
    """Each part's result in a sentence."""
    return [report.headline(d.result) for d in served_parts(done)]


def tables(done: Sequence[Done]) -> list[Table]:
    """Everything that the page shows."""
    if len(done) == 1:
        return _of_part(done[0])
    return [summary(done), *(_titled(d.part.name, t) for d in done for t in _of_part(d))]


def _of_part(done: Done) -> list[Table]:
    result = done.result
    if done.part.name == BEFORE:
        return [*generation_tables(done), *report.main_tables(result)]
    first = [*report.main_tables(result), *report.operating_points(result)]
    return [*generation_tables(done), *first, *report.task_tables(result), *report.rival_tables(result)]


def generation_tables(done: Done) -> list[Table]:
    """Targets, what can be certified, and how texts were graded; none of a part whose top tier is the human label."""
    if not done.swept:
        return []
    result, seed = done.result, done.part.settings.seed
    return [
        targets.target_table(result, done.swept),
        *(targets.sweep_table(task, found) for task, found in done.swept.items()),
        gradings.grading_table(result, done.graded, seed=seed),
        gradings.agreement_table(result, done.graded, seed=seed),
    ]


def notes(done: Sequence[Done]) -> list[str]:
    """What holds of one part alone begins with its name."""
    listed = [_notes(d) for d in done]
    shared = [note for note in listed[0] if all(note in other for other in listed)]
    own = [
        f"{d.part.name.capitalize()}: {n}" for d, its in zip(done, listed, strict=True) for n in its if n not in shared
    ]
    return [*own, *shared] if len(done) > 1 else listed[0]


def _notes(done: Done) -> list[str]:
    out = report.notes(done.result, done.part.settings, labels_on_top=not done.swept)
    out += [
        f"Of {task}, {n} rows outside training were recorded by not every tier and are left out."
        for task, n in done.part.left_out.items()
    ]
    if done.swept:
        out.append(NOT_RATED)
    return [*out, *(main_table.notes(done.result.compared) if done.result.compared else [])]


def checks(done: Sequence[Done], limits: Mapping[str, float]) -> list[dict[str, object]]:
    """The promises of every part; time and memory of all of them together."""
    seconds, peak = sum(d.result.seconds for d in done), max(d.result.peak_rss_mb for d in done)
    out: list[dict[str, object]] = []
    held = served_parts(done)
    for d in held:
        of_all = replace(d.result, seconds=seconds, peak_rss_mb=peak)
        found = report.checks(of_all, limits)
        out += found if d is held[-1] else found[:-2]
        out += targets.checks(d.result, d.swept) if d.swept else []
    return out


def as_json(done: Sequence[Done], *, bench: str, limits: Mapping[str, float]) -> dict[str, object]:
    """Ready for `json.dumps`."""
    first = done[0].result
    return frame(
        bench,
        seed=done[0].part.settings.seed,
        seconds=sum(d.result.seconds for d in done),
        peak_rss_mb=round(max(d.result.peak_rss_mb for d in done)),
        rows=[asdict(m) for d in served_parts(done) for measures in d.result.tasks.values() for m in measures.rows],
        checks=checks(done, limits),
        quick=first.workload.sampled,
        generated=first.workload.generated,
        rows_from="generated" if first.workload.generated else "six-tasks",
        headline=" ".join(headlines(done)),
        parts=[_part_json(d) for d in done],
        tables=[asdict(t) for t in tables(done)],
        notes=notes(done),
    )


def _part_json(done: Done) -> dict[str, object]:
    result = done.result
    return {
        "name": done.part.name,
        "tiers": list(result.prepared.frame.portfolio.names),
        "policy": served(result.prepared.frame, result.prepared.calibrated).version,
        "overall": {h: {s: asdict(i) for s, i in column.items()} for h, column in result.overall.items()},
        "routing_p50_s": asdict(result.routing_s),
    }


def _only(draws: RatioDraws, system: str) -> RatioDraws:
    return replace(draws, estimates={system: draws.estimates[system]}, draws={system: draws.draws[system]})


def _titled(part: str, table: Table) -> Table:
    return replace(table, title=f"{part.capitalize()} · {table.title}")
