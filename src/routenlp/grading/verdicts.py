"""A judge's verdicts on two answers, made into preferences once the order of showing is taken out.

Judges favour the answer shown in a certain place (Zheng et al. 2023, arXiv:2306.05685, section 3.3), so each pair is
judged in both orders and counts for a side only when that side wins in both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from routenlp.errors import DataError
from routenlp.grading.preferences import Preference

SHARE_OF_FIRST: Mapping[str, float] = {"first": 1.0, "tie": 0.5, "second": 0.0}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said of two answers shown in this order."""

    query_id: str
    shown_first: str
    shown_second: str
    """Tiers."""
    better: str
    """A key of `SHARE_OF_FIRST`."""


@dataclass(frozen=True, slots=True)
class JudgedPreferences:
    """Preferences, and how many pairs did not make a clear one."""

    preferences: tuple[Preference, ...]
    disagreed: int
    """Pairs on which each order had another winner; they are ties."""
    one_order: int
    """Pairs that were judged in one order only; they are left out."""


def preferences_from_verdicts(verdicts: Iterable[Verdict]) -> JudgedPreferences:
    """One preference for each (query, two tiers) judged in both orders: a side wins if it wins in both, else a tie.

    Repeated verdicts of one order are averaged first. Raises `DataError` for an unknown verdict and for a tier that
    is compared with itself.
    """
    shares: dict[tuple[str, str, str], dict[bool, list[float]]] = defaultdict(lambda: {True: [], False: []})
    for verdict in verdicts:
        _check(verdict)
        a, b = sorted((verdict.shown_first, verdict.shown_second))
        of_first = SHARE_OF_FIRST[verdict.better]
        a_first = verdict.shown_first == a
        shares[verdict.query_id, a, b][a_first].append(of_first if a_first else 1.0 - of_first)
    preferences, disagreed, one_order = [], 0, 0
    for (query_id, a, b), by_order in shares.items():
        if not (by_order[True] and by_order[False]):
            one_order += 1
            continue
        leads = [sum(found) / len(found) - 0.5 for found in by_order.values()]
        disagreed += leads[0] * leads[1] < 0.0
        winner = "a" if min(leads) > 0.0 else "b" if max(leads) < 0.0 else "tie"
        preferences.append(Preference(query_id, a, b, winner))
    return JudgedPreferences(tuple(preferences), disagreed, one_order)


def _check(verdict: Verdict) -> None:
    where = f"verdict on query {verdict.query_id!r}"
    if verdict.better not in SHARE_OF_FIRST:
        raise DataError(f"{where}, better", f"is {verdict.better!r}", f"Write {', '.join(SHARE_OF_FIRST)}")
    if verdict.shown_first == verdict.shown_second:
        problem = f"{verdict.shown_first!r} is compared with itself"
        raise DataError(f"{where}, shown_second", problem, "Show the answers of two tiers")
