"""From what was served to what can be evaluated: traces as logged queries, and routers as targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Router
from routenlp.errors import DataError
from routenlp.replay.off_policy.logged import LoggedQueries
from routenlp.types import FloatArray, Query, Route, Trace, Vectors


def from_traces(
    traces: Sequence[Trace],
    quality: Mapping[str, float],
    actions: Sequence[str],
    *,
    groups: Mapping[str, str] | None = None,
    features: Vectors | None = None,
) -> LoggedQueries:
    """Traces of one policy with an exploring router, and the quality of the answer returned, by query id.

    `actions`: the tiers a query may begin at, cheapest first. `groups`: by query id; None: each query is its own. Where
    only some queries were graded, give those alone, and only if chance alone picked them: answers that users complained
    of say nothing of the rest.

    Raises `DataError` for a trace without propensities, which are never taken as 1; one whose stop rule overruled the
    router, so that its propensities are false; a query id that comes twice, which is one draw; a quality that is
    missing; and traces of several policies, whose stop rules may differ.
    """
    _check(traces, quality)
    by_name = {name: at for at, name in enumerate(actions)}
    names = [trace.query.id if groups is None else groups[trace.query.id] for trace in traces]
    tasks = [trace.route.task for trace in traces]
    return LoggedQueries(
        tuple(actions),
        _numbered(tasks),
        np.array([_position(by_name, trace.route.first) for trace in traces], dtype=np.int64),
        _probabilities([trace.route for trace in traces], by_name),
        np.array([quality[trace.query.id] for trace in traces], dtype=np.float64),
        np.array([trace.cost_usd for trace in traces], dtype=np.float64),
        _numbered(names),
        estimates=_estimates(traces, actions),
        features=features,
    )


def as_actions(router: Router, queries: Sequence[Query], actions: Sequence[str]) -> FloatArray:
    """What `router` would do with these queries, for `evaluate`: action probabilities, shape (n, K).

    The propensities of its routes; where it logs none, its first tier for certain.
    """
    by_name = {name: at for at, name in enumerate(actions)}
    routes = [router.route(query) for query in queries]
    chances = _probabilities(routes, by_name)
    for i, route in enumerate(routes):
        if not route.propensities:
            chances[i, _position(by_name, route.first)] = 1.0
    return chances


def _check(traces: Sequence[Trace], quality: Mapping[str, float]) -> None:
    ids = [trace.query.id for trace in traces]
    versions = {trace.policy_version for trace in traces}
    wrong = (
        ([t.query.id for t in traces if not t.route.propensities], "no propensity was logged", "Route by exploration"),
        (
            [t.query.id for t in traces if t.tiers[0] != t.route.first],
            "the stop rule began at another tier than the route's, so the propensities are false",
            "Wrap the stop rule in cascade.first_by_router.FirstByRouter",
        ),
        ([i for i in ids if i not in quality], "no quality is given", "Grade the answer, or see `from_traces`"),
    )
    for found, problem, remedy in wrong:
        if found:
            raise DataError(f"query {found[0]!r}", f"{problem}, as for {len(found):,} of {len(ids):,} queries", remedy)
    if len(set(ids)) < len(ids):
        raise DataError("traces", "hold a query id twice, which exploration draws for once", "Keep the first of each")
    if len(versions) > 1:
        raise DataError(
            "traces", f"are of {len(versions)} policies", "Evaluate the log of one policy version at a time"
        )


def _probabilities(routes: Sequence[Route], by_name: Mapping[str, int]) -> FloatArray:
    chances = np.zeros((len(routes), len(by_name)))
    for i, route in enumerate(routes):
        for propensity in route.propensities:
            if propensity.probability > 0.0:
                chances[i, _position(by_name, propensity.tier)] += propensity.probability
    return chances


def _position(by_name: Mapping[str, int], tier: str) -> int:
    if tier not in by_name:
        raise DataError("actions", f"lack the tier {tier!r}, at which a query may begin", "Name every first tier")
    return by_name[tier]


def _estimates(traces: Sequence[Trace], actions: Sequence[str]) -> FloatArray | None:
    """Of every action on every query, or None where any is lacking."""
    rows = [{e.tier: e.quality for e in trace.route.estimates} for trace in traces]
    if not all(row.keys() >= set(actions) for row in rows):
        return None
    return np.array([[row[name] for name in actions] for row in rows], dtype=np.float64)


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(np.unique(np.array(names, dtype=object), return_inverse=True)[1], dtype=np.int64)
