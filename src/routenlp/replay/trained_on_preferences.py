"""A router from preferences alone, where no answer was ever graded.

Preferences say which of two answers is better, and not how good either is. So nothing can be certified: no target on
quality is even defined. What can be seen, on comparisons that no fit saw, is how often the answers that the router
would give are preferred to the top tier's, a tie counting half; a policy whose answers are as good has 1/2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.decision import ALWAYS_TOP, Reach, Utility, decide
from routenlp.cascade.estimates import SIGNALS, AnswerQuality, AnswerSignals
from routenlp.conformal.verdict import Method, Status, Verdict
from routenlp.contracts import StoredEncoder
from routenlp.errors import DataError, SettingsError
from routenlp.grading.preferences import Contradictions, PreferencePairs, count_contradictions, index_preferences
from routenlp.replay.folds import SALT, fraction
from routenlp.replay.outcomes.folds import NAMES, SHARES
from routenlp.replay.outcomes.gather import DEFAULT_TASK
from routenlp.replay.text_readers import READERS, Sentences, as_read
from routenlp.replay.wanted import Wanted
from routenlp.router.learned import LearnedRouter
from routenlp.router.stack import StackedEstimates
from routenlp.training.preference_fit import fit_preferences
from routenlp.training.preferences import Compared
from routenlp.types import FloatArray

PRICES = np.geomspace(1e-3, 10.0, 41)
FEWEST_COMPARISONS = 20
"""Of a tier with the top tier, on calibration queries that would go there; with fewer, nothing is said of a policy."""


@dataclass(frozen=True, slots=True)
class Preferred:
    """One policy on comparisons that no fit saw."""

    price: float
    cost_ratio: float
    """Of always-top."""
    share: float
    """How often its answers are preferred to the top tier's, ties half; 1/2 where it asks the top tier itself."""
    comparisons: int


@dataclass(frozen=True, slots=True, eq=False)
class PreferenceTrained:
    """A router and a rule that asks one tier, by expected preference and cost."""

    encoder: StoredEncoder
    router: LearnedRouter
    stop_rule: ContinuationRule
    verdict: Verdict
    """EMPIRICAL where that was asked for and something was seen; else UNCERTIFIED, and everything goes to the top."""
    seen: Preferred | None
    """Of the policy stored."""
    log_loss: float
    """Of preferences on calibration queries, in nats; a coin has ln 2."""
    contradictions: Contradictions
    sizes: Mapping[str, int]
    """Queries by fold."""


@dataclass(frozen=True, slots=True, eq=False)
class _Queries:
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    task_names: tuple[str, ...]
    task: NDArray[np.int64]
    groups: NDArray[np.int64]
    folds: Mapping[str, NDArray[np.int64]]


def train_on_preferences(
    compared: Compared,
    wanted: Wanted,
    *,
    tiers: Sequence[str],
    cost_usd: Mapping[str, float],
    encoder: str,
    sentences: Sentences,
    seed: int,
) -> PreferenceTrained:
    """`tiers`: cheapest first. `cost_usd`: of a query, by tier.

    Raises `DataError` for a preference without the query's text, and where a fold has none; `SettingsError` for a tier
    without a cost.
    """
    cost = _costs(tiers, cost_usd)
    queries, pairs = _queries(compared, tiers, seed)
    train, held_out = queries.folds["train"], queries.folds["calibrate"]
    read = READERS[encoder](as_read(queries.texts), train, seed, sentences)
    fitted = fit_preferences(
        read.features[train],
        queries.task[train],
        pairs.take(train),
        queries.groups[train],
        tasks=len(queries.task_names),
        seed=seed,
        low=np.zeros(len(tiers)),
        high=np.ones(len(tiers)),
    )
    mine, theirs = (read.features[held_out], queries.task[held_out]), pairs.take(held_out)
    policies = _policies(fitted.model.estimate(*mine), cost, theirs)
    chosen = _cheapest(policies, wanted)
    constant = StackedEstimates((), np.zeros((0, 0)), None, np.zeros(0, dtype=np.int64), cost)
    usd = float(cost_usd[tiers[-1]])
    router = LearnedRouter(read.encoder, read.surface, tuple(tiers), queries.task_names, fitted.model, constant, usd)
    return PreferenceTrained(
        encoder=read.encoder,
        router=router,
        stop_rule=_rule(router, cost, chosen),
        verdict=_verdict(wanted, chosen, len(theirs.row)),
        seen=chosen,
        log_loss=_log_loss(fitted.model.logits(*mine), theirs),
        contradictions=count_contradictions(pairs, len(tiers)),
        sizes={name: len(at) for name, at in queries.folds.items()},
    )


def _costs(tiers: Sequence[str], cost_usd: Mapping[str, float]) -> FloatArray:
    """Of the top tier's, shape (K,)."""
    if len(tiers) < 2:
        raise SettingsError("--tiers", f"names {len(tiers)} tiers", "Name two at least, cheapest first.")
    for tier in tiers:
        if tier not in cost_usd:
            raise SettingsError("--cost", f"says nothing of {tier!r}", f"Give --cost {tier}=USD for a query.")
    usd = np.array([cost_usd[tier] for tier in tiers])
    if not usd[-1] > 0.0:
        raise SettingsError("--cost", f"of the top tier {tiers[-1]} is {usd[-1]:g}", "Give it a price above 0.")
    return np.asarray(usd / usd[-1])


def _queries(compared: Compared, tiers: Sequence[str], seed: int) -> tuple[_Queries, PreferencePairs]:
    texts: dict[tuple[str, str], str] = {}
    groups: dict[tuple[str, str], str] = {}
    on = []
    for number, (preference, query) in enumerate(zip(compared.preferences, compared.queries, strict=True), start=1):
        key = query.task or DEFAULT_TASK, preference.query_id
        if query.text is None and key not in texts:
            problem = f"query {preference.query_id!r} has no text"
            raise DataError(
                f"preference {number}", problem, "Give it in `query`: there are no outcomes to take it from"
            )
        texts[key] = min(query.text or texts[key], texts.get(key, query.text or texts.get(key, "")))
        groups.setdefault(key, query.group or "\0".join(key))
        on.append(replace(preference, query_id="\0".join(key)))
    keys = sorted(texts)
    names = tuple(sorted({task for task, _ in keys}))
    pairs = index_preferences(on, ["\0".join(key) for key in keys], tiers)
    named = [groups[key] for key in keys]
    found = _Queries(
        tuple(query_id for _, query_id in keys),
        tuple(texts[key] for key in keys),
        names,
        np.array([names.index(task) for task, _ in keys], dtype=np.int64),
        np.unique(named, return_inverse=True)[1].astype(np.int64),
        _folds(named, seed),
    )
    return found, pairs


def _folds(groups: Sequence[str], seed: int) -> dict[str, NDArray[np.int64]]:
    salt = f"{SALT}/outcomes/{seed}/0"
    at = np.searchsorted(SHARES, [fraction("", group, salt=salt) for group in groups], side="right")
    folds = {name: np.flatnonzero(at == position).astype(np.int64) for position, name in enumerate(NAMES)}
    for name in ("train", "calibrate"):
        if not len(folds[name]):
            raise DataError("preferences", f"none falls into the {name} fold", "Record more: a few hundred at least")
    return folds


def _policies(expected: FloatArray, cost: FloatArray, pairs: PreferencePairs) -> list[Preferred]:
    """Of every price at which enough is known of what it does."""
    relative = np.broadcast_to(cost, expected.shape)
    found = []
    for price in PRICES:
        call = decide(expected, 0, relative, Utility(float(price), 0.0), Reach.ONCE).call
        share, comparisons = _share(call, expected.shape[1] - 1, pairs)
        if share is not None:
            found.append(Preferred(float(price), float(cost[call].mean()), share, comparisons))
    return found


def _share(call: NDArray[np.int64], top: int, pairs: PreferencePairs) -> tuple[float | None, int]:
    """Tier by tier, for comparisons need not have been made where they are needed; None where too few were."""
    total, seen = float((call == top).sum()) / 2.0, 0
    for k in np.unique(call[call != top]):
        won = _won(int(k), top, pairs)
        of_rows = [won[row] for row in np.flatnonzero(call == k).tolist() if row in won]
        if len(of_rows) < FEWEST_COMPARISONS:
            return None, seen
        total += float((call == k).sum()) * float(np.mean(of_rows))
        seen += len(of_rows)
    return total / len(call), seen


def _won(k: int, top: int, pairs: PreferencePairs) -> dict[int, float]:
    """By query, how much of its comparisons of tier k with the top tier k won."""
    won: dict[int, list[tuple[float, float]]] = {}
    for row, a, b, share, weight in zip(
        pairs.row.tolist(), pairs.first, pairs.second, pairs.share.tolist(), pairs.weight.tolist(), strict=True
    ):
        if {int(a), int(b)} == {k, top}:
            won.setdefault(row, []).append((share if a == k else 1.0 - share, weight))
    return {row: sum(s * w for s, w in of) / sum(w for _, w in of) for row, of in won.items()}


def _cheapest(policies: Sequence[Preferred], wanted: Wanted) -> Preferred | None:
    """That is preferred as often as 1 - eps of an even chance; None where that is not to serve."""
    if wanted.serve_when is not Status.EMPIRICAL:
        return None
    holds = [policy for policy in policies if policy.share >= (1.0 - wanted.target.eps) / 2.0 and policy.cost_ratio < 1]
    return min(holds, key=lambda policy: policy.cost_ratio, default=None)


def _rule(router: LearnedRouter, cost: FloatArray, chosen: Preferred | None) -> ContinuationRule:
    utility = ALWAYS_TOP if chosen is None else Utility(chosen.price, 0.0)
    usd = router.top_cost_usd
    return ContinuationRule(
        router.tiers,
        router.tasks,
        as_routed(len(router.tiers), len(router.tasks)),
        cost * usd,
        usd,
        utility,
        Reach.ONCE,
    )


def as_routed(tiers: int, tasks: int) -> AnswerQuality:
    """Takes the router's estimates as they are, whatever was answered."""
    states = 2**tiers
    signals = AnswerSignals(
        np.tile([0.0, 1.0], (tiers, 1)),
        np.full((tasks, tiers, 2), 0.5),
        np.zeros((tiers, SIGNALS)),
        np.zeros(tiers),
        np.ones(tiers),
    )
    own = np.tile(np.eye(tiers), (states, 1, 1))
    return AnswerQuality(signals, np.zeros((states, tiers, tasks)), own, np.zeros((states, tiers, SIGNALS, tiers)))


def _verdict(wanted: Wanted, chosen: Preferred | None, pairs: int) -> Verdict:
    target = wanted.target
    why = "Preferences say which answer is better, not how good it is: nothing can be proved of quality"
    if chosen is not None:
        why += f"; its answers were preferred to the top tier's in {chosen.share:.0%} of comparisons"
    return Verdict(
        rule=target.walked,
        target=target.eps if target.walked == "quality_ratio" else target.alpha,
        delta=target.delta,
        selected=0 if chosen is None else 1,
        tested_from=1,
        p_values=(),
        estimate=None,
        bound=None,
        n=pairs,
        groups=pairs,
        design_effect=None,
        method=Method.NORMAL,
        status=Status.UNCERTIFIED if chosen is None else Status.EMPIRICAL,
        reason=f"{why}.",
    )


def _log_loss(z: FloatArray, pairs: PreferencePairs) -> float:
    lead = z[pairs.row, pairs.first] - z[pairs.row, pairs.second]
    loss = pairs.share * np.logaddexp(0.0, -lead) + (1.0 - pairs.share) * np.logaddexp(0.0, lead)
    return float((pairs.weight * loss).sum() / max(float(pairs.weight.sum()), 1e-300))
