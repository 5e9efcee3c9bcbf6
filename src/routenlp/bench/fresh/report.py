"""What the bench of a fresh domain says: what would refute the loop, and `refuted` where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from routenlp.bench.frame import at_least, at_most, frame
from routenlp.bench.fresh.course import FIRST_AUDITS, FIRST_LESSONS, GROWTH
from routenlp.bench.fresh.figures import Ran, Standing
from routenlp.bench.fresh.run import Result
from routenlp.bench.six_tasks.table import Table, interval
from routenlp.settings import Settings

ACCEPTANCE, SAVINGS = 0.90, 0.20
HAND = "0, by construction"
LIMITS = {"seconds": 3600.0, "peak_rss_mb": 3072.0}


def tables(result: Result) -> list[Table]:
    """The verdict, the stream, the turns."""
    heads = ("arm", "task", "acceptance", "savings", "changes by hand", "verdict")
    verdicts = tuple(
        (s.arm, s.task, interval(s.acceptance), interval(s.savings), HAND, verdict(s)) for s in result.standings
    )
    return [
        Table("Is it refuted? Acceptance at least 0.90, savings at least 0.20, no change by hand", heads, verdicts),
        _stream(result.standings),
        _turns(result.runs),
    ]


def verdict(standing: Standing) -> str:
    """`refuted`, and by what; an estimate that holds with an interval that does not is said so."""
    found = (("acceptance", standing.acceptance, ACCEPTANCE), ("savings", standing.savings, SAVINGS))
    failed = [name for name, value, target in found if value.estimate is None or value.estimate < target]
    if failed:
        return f"refuted: {' and '.join(failed)}"
    open_ = [name for name, value, target in found if value.low is None or value.low < target]
    return f"not refuted; {' and '.join(open_)} not shown by the interval" if open_ else "not refuted"


def _stream(standings: Sequence[Standing]) -> Table:
    heads = ("arm", "task", "test rows (documents)", "savings of serving alone", "cheap tiers since request")
    more = ("acceptance since", "savings since", "turns")
    rows = tuple(
        (
            s.arm,
            s.task,
            f"{s.n:,} ({s.groups:,})",
            interval(s.savings_served),
            _when(s),
            interval(s.acceptance_after),
            interval(s.savings_after),
            ", ".join(map(str, s.turns)) or "–",
        )
        for s in standings
    )
    return Table("Before and after cheap tiers served", (*heads, *more), rows)


def _when(s: Standing) -> str:
    if not s.promoted_at:
        return "–"
    return ", ".join("never" if at is None else f"{at:,}" for at in s.promoted_at) + f" of {s.requests:,}"


def _turns(runs: Sequence[Ran]) -> Table:
    heads = ("arm", "task", "seed", "after requests", "lessons", "calibration rows (documents)")
    more = ("cost ratio there", "quality ratio there", "serves", "why")
    rows = tuple(
        (
            run.arm,
            run.task,
            str(run.seed),
            f"{t.at:,}",
            f"{t.lessons:,}",
            f"{t.calibration_rows:,} ({t.calibration_groups:,})",
            f"{t.cost_ratio:.3f}",
            f"{t.quality_ratio:.3f}",
            "yes" if t.serves else "no",
            t.why,
        )
        for run in runs
        for t in run.turns
    )
    return Table("Every turn, each by its own trigger: lessons have doubled", (*heads, *more), rows)


def notes(result: Result) -> list[str]:
    """What a reader must know to read the tables rightly."""
    return [
        "Nothing was trained on a legal row before its request came. Students and routers are a task's own, so that "
        "the other tasks play no part; the sentence encoder is public and frozen. Until a policy serves, the top tier "
        "answers everything.",
        f"SIMULATED: requests are the data's rows, whole documents in random order, {result.seeds} orders (seeds). The "
        "teacher is the top tier, which replays the data's human labels: it never errs, so that acceptance before "
        "cheap tiers serve is 1 by construction.",
        f"A turn comes at {FIRST_LESSONS} lessons and {FIRST_AUDITS} calibration rows, then whenever lessons are "
        f"{GROWTH:g} times those of the turn before; it learns from what the top tier answered anyway. These numbers "
        "were set before any test row was looked at.",
        "Calibration and gate rows are audits, by document: every tier is run on them, people grade them, and what "
        "that pays beside serving is counted in the savings. They are about a third of the traffic, more than the "
        "settings' audit.bootstrap_rate of a fifth. People's time is not counted.",
        "Only test rows count, which no fit, calibration or gate saw: a fit that is given one ends the bench. "
        "Acceptance of a response: its quality by the human label reaches the task's handled_at. As the top tier never "
        "errs, it is the quality ratio too, for which these tasks' own target is 0.97. Intervals are 95%, over "
        "documents with the rows of all seeds.",
        "serve_when: empirical, as the built-in settings have it: the point that keeps the target on the calibration "
        "rows so far serves, EMPIRICAL, with nothing proved. the loop's gate: it serves once the gate of "
        "`routenlp turn` passes on the gate rows so far.",
        "`routenlp turn` itself teaches tasks that the system was trained on, and does not yet begin a task that has "
        "no student: the bench puts the same parts together. Shadow and canary are left out. No person acts here, so "
        "that 0 changes by hand is so by construction; in a store `routenlp report` counts them.",
    ]


def checks(result: Result) -> list[dict[str, object]]:
    """By arm, over all tasks, or the one there is."""
    out = []
    for arm in dict.fromkeys(s.arm for s in result.standings):
        last = [s for s in result.standings if s.arm == arm][-1]
        for name, found, target in (
            ("acceptance", last.acceptance, ACCEPTANCE),
            ("savings", last.savings, SAVINGS),
        ):
            out.append(at_least(f"{name}, {arm}", found.estimate if found.estimate is not None else -1.0, target))
        out.append(at_most(f"changes by hand, {arm}", 0.0, 0.0))
    out.append(at_most("seconds", result.seconds, LIMITS["seconds"]))
    out.append(at_most("peak resident memory, MB", result.peak_rss_mb, LIMITS["peak_rss_mb"]))
    return out


def as_json(result: Result, settings: Settings, *, quick: bool) -> dict[str, object]:
    """Ready for `json.dumps`."""
    return frame(
        "fresh-domain",
        seed=settings.seed,
        seconds=result.seconds,
        peak_rss_mb=round(result.peak_rss_mb),
        rows=[{**asdict(s), "verdict": verdict(s)} for s in result.standings],
        checks=checks(result),
        quick=quick,
        generated=result.workload.generated,
        seeds=result.seeds,
        tables=[asdict(t) for t in tables(result)],
        notes=notes(result),
    )
