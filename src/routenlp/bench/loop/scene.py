"""What an arm may look at when it picks lessons: traffic as the system served it, no answer that was not paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.loop.system import Desk, Seen, System, see
from routenlp.bench.loop.world import TaskWorld
from routenlp.loop.failures import Failure, Observed, find_failures
from routenlp.replay.cascade import Replayed
from routenlp.types import Example, FloatArray, Route, Step, Trace, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Traffic that is not yet labelled, as the current system served it. Arrays are (n,) or (n, ...)."""

    world: TaskWorld
    seen: Seen
    served: Replayed
    at: NDArray[np.int64]
    """Positions in `world.traffic`, rising."""
    allowed: NDArray[np.bool_]
    """Queries that may become lessons: those that resemble no held-out row."""
    vectors: Vectors
    """The router's representation and its neighbours' (the encoder's rich vectors), shape (n, d)."""
    known: Vectors
    """The same of what is labelled already."""
    known_answers: tuple[str, ...]
    failures: tuple[Failure, ...]
    failed_at: NDArray[np.int64]
    """Position in the scene of each failure."""

    @property
    def uncertainty(self) -> FloatArray:
        """Of the dearest cheap tier's answer, whether it was asked or not: it costs next to nothing to ask it."""
        return np.asarray(self.seen.recorded.score[:, -2])

    @property
    def texts(self) -> list[str]:
        """Of all rows."""
        return [self.world.traffic[i].query.text for i in self.at]

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Whether each row is a failure."""
        out = np.zeros(len(self.at), dtype=np.bool_)
        out[self.failed_at] = True
        return out


def look(world: TaskWorld, system: System, desk: Desk, lessons: Sequence[int]) -> Scene:
    """Serve the traffic that is not among `lessons` (positions in it) with `system`."""
    at = np.setdiff1d(np.arange(len(world.traffic)), np.array(lessons, dtype=np.int64))
    examples = [world.traffic[i] for i in at]
    seen = see(world, system, examples, desk)
    served = seen.run(system.setting)
    labelled = [*world.start, *(world.traffic[i] for i in lessons)]
    observed = [_observed(seen, served, i, example) for i, example in enumerate(examples)]
    failures = find_failures(observed, top=desk.portfolio.top)
    position = {example.query.id: i for i, example in enumerate(examples)}
    return Scene(
        world,
        seen,
        served,
        at,
        ~world.barred[at],
        desk.rich.encode([e.query.text for e in examples]),
        desk.rich.encode([e.query.text for e in labelled]),
        tuple(e.reference for e in labelled),
        failures,
        np.array([position[f.query.id] for f in failures], dtype=np.int64),
    )


def _observed(seen: Seen, served: Replayed, row: int, example: Example) -> Observed:
    """As the machine would have traced it. Answers are graded only where the top tier's is there to compare with."""
    recorded = seen.recorded
    steps = tuple(
        Step(recorded.answers[row][k], _or_none(recorded.score[row, k]), None, accepted=k == served.final[row])
        for k in np.flatnonzero(served.called[row])
    )
    answer = recorded.answers[row][served.final[row]]
    route = Route(example.query.task, steps[0].answer.tier, (), "")
    paid = served.called[row, -1]
    quality = {t: float(q) for t, q in zip(recorded.tiers, recorded.quality[row], strict=True)} if paid else {}
    return Observed(Trace(example.query, route, steps, answer, "", ""), quality)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
