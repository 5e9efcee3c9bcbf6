"""Every mode on every source of rows, and the checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from routenlp.bench.frame import at_most
from routenlp.bench.guarantees.run import most_misses
from routenlp.bench.streaming.measure import DRAWS, TARGET, Measured, bill_on_training, course, measured
from routenlp.cascade.commit import CommitPoint
from routenlp.replay.backtest.certify import Target
from routenlp.replay.streaming.certify import units_of
from routenlp.replay.streaming.ladder import BUFFERED, Mode
from routenlp.replay.streaming.rows import Streams

LOSES = 0.01
"""Share of the answers that would have been returned, and are aborted."""
POINTS = tuple(Mode(CommitPoint(tokens)) for tokens in (4, 8, 16, 32))
SENTENCE = Mode(CommitPoint(32, sentence=True))
REHEARSED, REHEARSAL_SEED = 200, 1
"""Calibrations on training rows, by which the commit point is chosen."""
MOST_FIRST_TOKEN = 0.5
MOST_EXTRA_COST = 0.10
LOOSER = (0.05, 0.10, 0.20, 0.30, 0.40, 0.50)
"""Targets (eps) that are tried where the default one leaves nothing to stream: the top tier answers everything then."""
SAVES = 0.10
"""Of always-top's bill."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Rows to measure on."""

    name: str
    train: Streams
    pool: Streams
    labels: int
    """Units that a calibration draws."""
    simulated: bool
    useful: bool = True
    """Whether cheap streams are of any use at the target; False: the promise alone is checked."""
    target: Target = TARGET


@dataclass(frozen=True, slots=True)
class Found:
    """A source's figures."""

    source: str
    simulated: bool
    target: Target
    useful: bool
    chosen: str
    """The commit mode that training rows chose."""
    rows: tuple[Measured, ...]

    def row(self, mode: str) -> Measured:
        """The figures of one mode."""
        return next(row for row in self.rows if row.mode == mode)


def targets(train: Streams) -> list[tuple[Target, bool]]:
    """The default target, and the strictest looser one at which training rows say that the cheap tier saves anything,
    where it does not at the default one; each with whether it does.
    """
    tried = [replace(TARGET, eps=eps) for eps in (TARGET.eps, *LOOSER)]
    saving = [target for target in tried if bill_on_training(train, target) <= 1.0 - SAVES]
    if not saving:
        return [(TARGET, False)]
    return [(TARGET, True)] if saving[0] == TARGET else [(TARGET, False), (saving[0], True)]


def chosen_mode(source: Source) -> Mode:
    """The commit mode that training rows choose, by a rehearsal there: as many calibrations of as many labels as will
    be drawn, but of training rows. The cheapest of those that keep both aims, `MOST_FIRST_TOKEN` and `MOST_EXTRA_COST`;
    where none does, the one that comes nearest: whose time or bill, whichever is further off, is least over its aim.
    """
    rehearsal, every = replace(source, pool=source.train), (*POINTS, SENTENCE)
    _, *found = measure(rehearsal, (BUFFERED, *every), draws=REHEARSED, seed=REHEARSAL_SEED)

    def over_aims(row: Measured) -> tuple[float, float]:
        most = max(row.first_token_ratio / MOST_FIRST_TOKEN, (1.0 + row.extra_cost) / (1.0 + MOST_EXTRA_COST))
        return max(most, 1.0), row.cost_ratio

    return min(zip(every, found, strict=True), key=lambda pair: over_aims(pair[1]))[0]


def measure(
    source: Source,
    every: Sequence[Mode],
    *,
    draws: int,
    seed: int,
    advance: Callable[[int, int], None] | None = None,
) -> list[Measured]:
    """The figures of each mode over the same draws; the first must be the buffered one."""
    units = units_of(source.train.groups, source.pool.groups, seed)
    rows: list[Measured] = []
    base = None
    for mode in every:
        mine = course(
            source.train, source.pool, mode, labels=source.labels, draws=draws, target=source.target, seed=seed
        )
        base = base or mine
        rows.append(measured(source.name, mode, mine, base, source.pool, units, source.labels))
        if advance is not None:
            advance(len(rows), len(every))
    return rows


def run_source(
    source: Source, *, draws: int = DRAWS, seed: int = 0, advance: Callable[[int, int], None] | None = None
) -> Found:
    """Every mode over the same draws. `advance(done, total)` counts modes."""
    best = chosen_mode(source)
    every = (BUFFERED, *POINTS, SENTENCE, Mode(None, LOSES), Mode(best.point, LOSES))
    rows = measure(source, every, draws=draws, seed=seed, advance=advance)
    return Found(source.name, source.simulated, source.target, source.useful, str(best), tuple(rows))


def checks(found: Sequence[Found]) -> list[dict[str, object]]:
    """The promise in every mode of every source; speed and cost of the chosen commit mode where prefixes say anything.

    A share of misses is allowed as far as chance explains it, at a tolerance shared by all promises that are checked.
    """
    out: list[dict[str, object]] = []
    promises = sum(len(one.rows) for one in found)
    for one in found:
        worst = max(one.rows, key=lambda row: row.misses)
        allowed = most_misses(worst.draws, promises, TARGET.delta) / worst.draws
        source = f"{one.source}, quality ratio {1.0 - one.target.eps:g}"
        out.append(at_most(f"{source}: calibrations over target, {worst.mode}", worst.misses / worst.draws, allowed))
        if one.useful:
            row = one.row(one.chosen)
            name = f"{source}, {one.chosen}"
            out.append(at_most(f"{name}: time to first token over buffered", row.first_token_ratio, MOST_FIRST_TOKEN))
            out.append(at_most(f"{name}: extra cost", row.extra_cost, MOST_EXTRA_COST))
    return out
