"""A router from preferences alone: it knows an order, and proves nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.replay.backtest.made_recording import COSTS, MODELS, recording
from tests.unit.replay.made_preferences import compared, pairs_of

from routenlp.conformal.verdict import Status
from routenlp.errors import DataError, SettingsError
from routenlp.replay import stored_router
from routenlp.replay.backtest.certify import Target
from routenlp.replay.certificates import issue_unproved
from routenlp.replay.trained import no_sentences
from routenlp.replay.trained_on_preferences import PreferenceTrained, train_on_preferences
from routenlp.replay.wanted import Wanted
from routenlp.types import Call, Query

pytestmark = pytest.mark.slow
COST = dict(zip(MODELS, COSTS, strict=True))
EMPIRICAL = Wanted(Target(eps=0.05), Status.EMPIRICAL)


def trained(rows: list[dict[str, Any]], wanted: Wanted = EMPIRICAL, **new: Any) -> PreferenceTrained:
    usual: dict[str, Any] = {
        "tiers": MODELS,
        "cost_usd": COST,
        "encoder": "hashed",
        "sentences": no_sentences,
        "seed": 0,
    }
    return train_on_preferences(compared(rows), wanted, **{**usual, **new})


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return pairs_of(recording(2_500))


@pytest.fixture(scope="module")
def found(rows: list[dict[str, Any]]) -> PreferenceTrained:
    return trained(rows)


def test_it_foretells_preferences_better_than_a_coin(found: PreferenceTrained) -> None:
    assert found.log_loss < np.log(2.0) - 0.01


def test_it_saves_where_cheap_answers_are_as_often_preferred(found: PreferenceTrained) -> None:
    assert found.verdict.status is Status.EMPIRICAL
    assert found.seen is not None
    assert found.seen.share >= 0.95 / 2
    assert found.seen.cost_ratio < 0.9


def test_hard_queries_go_to_the_top_and_easy_ones_do_not(found: PreferenceTrained) -> None:
    calls = [
        found.stop_rule.next(found.router.route(Query("q", "ask", text)), ())
        for text in ("card payment abroad number 1", "proof of a theorem number 2")
    ]
    easy, hard = (call.tier for call in calls if isinstance(call, Call))
    assert easy != MODELS[-1]
    assert hard == MODELS[-1]


@pytest.mark.parametrize("serve_when", [Status.CERTIFIED, Status.ASYMPTOTIC])
def test_nothing_can_be_proved_so_the_top_tier_serves(rows: list[dict[str, Any]], serve_when: Status) -> None:
    found = trained(rows, Wanted(serve_when=serve_when))
    assert found.verdict.status is Status.UNCERTIFIED
    assert issue_unproved(found, datetime.now(UTC)) == {}
    call = found.stop_rule.next(found.router.route(Query("q", "ask", "card payment abroad number 1")), ())
    assert isinstance(call, Call)
    assert call.tier == MODELS[-1]
    assert "better, not how good" in found.verdict.reason


def test_it_is_stored_and_loaded(found: PreferenceTrained, tmp_path: Path) -> None:
    certificates = issue_unproved(found, datetime(2026, 1, 1, tzinfo=UTC))
    stored_router.save(tmp_path / "router", found.encoder, found.router, found.stop_rule, certificates)
    stored = stored_router.load(tmp_path / "router")
    query = Query("q", "tell", "weather of tomorrow number 3")
    assert stored.router.route(query) == found.router.route(query)
    assert {c.status for c in stored.certificates.values()} == {Status.EMPIRICAL}
    assert stored.certificates["ask"].over == ("ask", "tell")


def test_a_circle_is_averaged_over() -> None:
    """small over mid, mid over large, large over small: nobody is better, and nothing diverges."""
    circle = [(0, 1), (1, 2), (2, 0)]
    rows = [
        {
            "query_id": f"q{i}",
            "tier_a": MODELS[a],
            "tier_b": MODELS[b],
            "winner": "a",
            "task": "ask",
            "query": f"word {i}",
        }
        for i in range(300)
        for a, b in circle
    ]
    found = trained(rows)
    assert found.contradictions.cyclic_overall
    assert found.contradictions.cyclic_queries == 300
    qualities = [estimate.quality for estimate in found.router.route(Query("q", "ask", "word 7")).estimates]
    np.testing.assert_allclose(qualities, 0.5, atol=0.05)


def test_contradictory_repeats_cancel() -> None:
    once = {"tier_a": MODELS[0], "tier_b": MODELS[2], "task": "ask"}
    rows = [
        {**once, "query_id": f"q{i}", "winner": winner, "query": f"word {i}"}
        for i in range(300)
        for winner in ("a", "b")
    ]
    rows += [{**once, "tier_a": MODELS[1], "query_id": "last", "winner": "tie", "query": "word"}]
    rows += [{**rows[-1], "query_id": f"last{i}"} for i in range(30)]
    found = trained(rows)
    assert found.contradictions.opposed == 300
    assert found.log_loss == pytest.approx(np.log(2.0), abs=0.02)


def test_a_preference_needs_its_querys_text(rows: list[dict[str, Any]]) -> None:
    bare = [{key: value for key, value in row.items() if key != "query"} for row in rows]
    with pytest.raises(DataError, match="has no text"):
        trained(bare)


@pytest.mark.parametrize(
    ("new", "named"),
    [
        ({"cost_usd": {"small": 1.0, "large": 20.0}}, "mid"),
        ({"tiers": ("large",)}, "--tiers"),
        ({"cost_usd": {**COST, "large": 0.0}}, "large"),
    ],
)
def test_tiers_need_costs(rows: list[dict[str, Any]], new: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        trained(rows, **new)


def test_the_same_seed_gives_the_same_bytes(
    rows: list[dict[str, Any]], found: PreferenceTrained, tmp_path: Path
) -> None:
    again = trained(list(rows))
    versions = [
        stored_router.save(tmp_path / str(i), t.encoder, t.router, t.stop_rule) for i, t in enumerate((found, again))
    ]
    assert versions[0] == versions[1]
