"""When queries come, and which: a daily and a weekly rhythm over a mix of tasks, each row drawn with replacement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.pilot.catalogue import Catalogue
from routenlp.bench.pilot.episodes import DOCUMENTS, INTENTS, Weather
from routenlp.types import FloatArray

DAY_S = 86_400.0
HOUR_S = 3_600.0
BEGIN_S = 1_704_067_200.0
"""A Monday, 00:00 UTC."""
MIX: Mapping[str, float] = MappingProxyType(
    {"cs_intent": 0.70, "cs_response": 0.10, "legal_clause": 0.08, "legal_risk": 0.08, "fin_ner": 0.04}
)
GENERATED_MIX: Mapping[str, float] = MappingProxyType(
    {"generated_intent": 0.80, "generated_reply": 0.10, "generated_entities": 0.10}
)
"""Of queries: the paper's customer-service pilot, with some of the other tasks."""
WEEK = np.array([1.16, 1.18, 1.15, 1.12, 1.09, 0.70, 0.60])
"""Of a day's queries, Monday first; the mean is 1."""
HOURS = np.array(
    [
        *(0.3, 0.2, 0.15, 0.12, 0.15, 0.25, 0.5, 0.9, 1.5, 1.9, 2.0, 1.9),
        *(1.6, 1.7, 1.8, 1.8, 1.6, 1.4, 1.1, 0.9, 0.8, 0.7, 0.55, 0.4),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Queries in order of time, one a row of each."""

    at_s: FloatArray
    item: NDArray[np.int64]
    """Positions in the catalogue."""

    def between(self, since_s: float, until_s: float) -> Arrivals:
        """Those in [since, until)."""
        a, b = np.searchsorted(self.at_s, [since_s, until_s])
        return Arrivals(self.at_s[a:b], self.item[a:b])


def day_of_traffic(
    catalogue: Catalogue, mix: Mapping[str, float], a_day: int, day: int, weather: Weather, *, seed: int
) -> Arrivals:
    """One day's queries."""
    rng = np.random.default_rng([seed, day, 7])
    n = int(rng.poisson(a_day * WEEK[day % 7] * 7.0 / WEEK.sum()))
    hour = rng.choice(24, size=n, p=HOURS / HOURS.sum())
    at_s = np.sort(BEGIN_S + day * DAY_S + (hour + rng.random(n)) * HOUR_S)
    shares = {task: share * (1.0 - weather.new_task) for task, share in mix.items() if task in catalogue.plain}
    if weather.new_task and len(catalogue.new_task):
        shares[""] = weather.new_task * sum(mix.values())
    names = list(shares)
    chance = np.array([shares[name] for name in names])
    which = rng.choice(len(names), size=n, p=chance / chance.sum())
    item = np.empty(n, dtype=np.int64)
    for at, name in enumerate(names):
        mine = which == at
        item[mine] = _items(catalogue, name, int(mine.sum()), weather, rng)
    return Arrivals(at_s, item)


def _items(catalogue: Catalogue, task: str, n: int, weather: Weather, rng: np.random.Generator) -> NDArray[np.int64]:
    if not task:
        return rng.choice(catalogue.new_task, size=n)
    pool = catalogue.noisy[task] if weather.ocr and task in DOCUMENTS else catalogue.plain[task]
    found = rng.choice(pool, size=n)
    if task in INTENTS:
        for share, others in ((weather.mix_shift, catalogue.hard), (weather.out_of_scope, catalogue.out_of_scope)):
            if share and len(others):
                instead = rng.random(n) < share
                found[instead] = rng.choice(others, size=int(instead.sum()))
    return found
