"""Every allowed tier is run on audits, within walls, money and time; what is not run is missing and says why."""

from __future__ import annotations

import asyncio
import json
import random
from math import sqrt

import pytest
from tests.unit.worker.made import NOW_S, Broken, Says, audited, opened, runner, states

from routenlp.backends.remote.failures import charge
from routenlp.store.sql import audits
from routenlp.worker.audits import PATIENCE_S, Ran


def run(made, most: int = 10) -> Ran:
    return asyncio.run(made.run(most))


def answers(connection):
    (name,) = connection.execute("SELECT trace_id FROM audits").fetchone()
    return {a.tier: a for a in audits.answers_of(connection, name)}


def test_tiers_that_did_not_serve_are_asked_and_the_one_that_did_is_not(tmp_path) -> None:
    connection, tiers = opened(tmp_path, audited()), Says()
    assert run(runner(connection, tiers)) == Ran(answered=1)
    assert sorted(tiers.names) == ["mid", "top"]
    found = answers(connection)
    assert [(found[t].asked_again, found[t].score, found[t].model) for t in ("small", "mid")] == [
        (False, 0.1, None),
        (True, pytest.approx(0.1), "mid-2026"),
    ]
    assert states(connection) == [("answered", None)]


def test_only_what_was_asked_again_costs_the_budget(tmp_path) -> None:
    connection = opened(tmp_path, audited())
    run(runner(connection, Says()))
    assert audits.spent_usd(connection, NOW_S) == pytest.approx(110 * 110e-6)
    assert audits.spent_usd(connection, NOW_S + 86_400.0) == 0.0


def test_texts_lie_with_the_content_redacted(tmp_path) -> None:
    connection = opened(tmp_path, audited())
    run(runner(connection, Says({"mid": "write to ann@example.org"})))
    body = json.loads(connection.execute("SELECT body FROM content").fetchone()[0])
    assert body["answers"] == {"small": "served by small", "mid": "write to [email]", "top": "said by top"}
    assert body["request"] == {"messages": [{"role": "user", "content": "Which colour?"}]}


def test_a_redacted_request_is_put_to_every_tier_alike(tmp_path) -> None:
    request = {"messages": [{"role": "user", "content": "Is ann@example.org red?"}]}
    connection, tiers = opened(tmp_path, audited(request=request)), Says()
    run(runner(connection, tiers))
    assert sorted(tiers.names) == ["mid", "small", "top"]
    assert {asked["messages"][0]["content"] for *_, asked in tiers.asked} == {"Is [email] red?"}


@pytest.mark.parametrize(("then", "now"), [(("small", "mid"), ("small", "mid", "top")), (("small", "mid", "top"),) * 2])
def test_the_narrower_wall_of_then_and_now_holds(tmp_path, then, now) -> None:
    connection, tiers = opened(tmp_path, audited(tiers=then)), Says()
    run(runner(connection, tiers, allowed=now if then == ("small", "mid") else ("small", "mid")))
    assert tiers.names == ["mid"]


def test_an_audit_that_the_wall_leaves_one_tier_is_missing(tmp_path) -> None:
    connection, tiers = opened(tmp_path, audited()), Says()
    assert run(runner(connection, tiers, allowed=("small",))) == Ran(missing=1)
    assert (states(connection), tiers.names) == ([("missing", "wall")], [])


def test_a_request_with_an_image_cannot_be_put_again(tmp_path) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    connection = opened(tmp_path, audited(request={"messages": [{"role": "user", "content": [image]}]}))
    run(runner(connection, Says()))
    assert states(connection) == [("missing", "content_left_out")]


def test_one_whose_content_was_deleted_is_missing(tmp_path) -> None:
    connection = opened(tmp_path, audited())
    connection.execute("DELETE FROM content")
    run(runner(connection, Says()))
    assert states(connection) == [("missing", "content_gone")]


def test_when_the_budget_is_used_up_the_rest_waits_and_nothing_is_skipped(tmp_path) -> None:
    connection, tiers = opened(tmp_path, *(audited(i) for i in range(5))), Says()
    ran = run(runner(connection, tiers, budget_usd=2.5 * 110 * 110e-6))
    assert (ran.answered, ran.budget_used_up) == (2, True)
    assert sorted(states(connection)) == [("answered", None)] * 2 + [("pending", None)] * 3
    assert run(runner(connection, tiers, budget_usd=2.5 * 110 * 110e-6, clock=lambda: NOW_S + 86_400.0)).answered == 2


def test_those_that_the_budget_reaches_are_a_random_part_and_not_the_first(tmp_path) -> None:
    draw = random.Random(0)
    drawn = [audited(at_s=NOW_S + i, entropy=draw.randbytes(10)) for i in range(120)]
    connection = opened(tmp_path, *drawn)
    run(runner(connection, Says(), budget_usd=40.5 * 110 * 110e-6), most=200)
    times = [t for (t,) in connection.execute("SELECT at_s FROM audits WHERE state = 'answered'")]
    assert len(times) == 40
    late = sum(t >= NOW_S + 60 for t in times)
    assert abs(late - 20) < 4 * sqrt(40 * 0.25)


def test_a_budget_of_nothing_runs_nothing_and_in_time_all_are_missing(tmp_path) -> None:
    connection, tiers = opened(tmp_path, audited()), Says()
    assert run(runner(connection, tiers, budget_usd=0.0)).budget_used_up
    run(runner(connection, tiers, budget_usd=0.0, clock=lambda: NOW_S + PATIENCE_S + 1.0))
    assert (states(connection), tiers.names) == ([("missing", "not_run_in_time")], [])


def test_a_tier_that_fails_is_asked_again_later_and_alone(tmp_path) -> None:
    now = [NOW_S]
    connection, tiers = opened(tmp_path, audited()), Says({"top": [Broken(), "late"]})
    made = runner(connection, tiers, clock=lambda: now[0])
    assert run(made) == Ran(failed=1)
    assert run(made) == Ran()
    now[0] += 120.0
    assert run(made) == Ran(answered=1)
    assert tiers.names == ["mid", "top", "top"]


def test_one_that_is_too_long_for_a_tier_is_missing_at_once(tmp_path) -> None:
    class DoesNotFit(Broken):
        kind = "too_long"

    connection = opened(tmp_path, audited())
    assert run(runner(connection, Says({"mid": DoesNotFit()}))).missing == 1
    assert states(connection) == [("missing", "tier_failed: mid too_long")]


def test_one_that_fails_for_good_makes_the_audit_missing_and_the_reason_quotes_nobody(tmp_path) -> None:
    now = [NOW_S]
    connection, tiers = opened(tmp_path, audited()), Says({"top": Broken()})
    made = runner(connection, tiers, clock=lambda: now[0])
    for _ in range(audits.TRIES):
        assert states(connection)[0][0] == "pending"
        run(made)
        now[0] += 20_000.0
    assert states(connection) == [("missing", "tier_failed: top connect")]
    assert answers(connection)["top"].error == "connect"


def test_each_try_that_an_endpoint_bills_without_an_answer_is_spent(tmp_path) -> None:
    now, late = [NOW_S], Broken()
    charge(late, 0.25)
    connection = opened(tmp_path, audited())
    made = runner(connection, Says({"top": late}), clock=lambda: now[0])
    run(made)
    mid_usd = answers(connection)["mid"].cost_usd
    assert answers(connection)["top"].cost_usd == pytest.approx(0.25)
    assert audits.spent_usd(connection, now[0]) == pytest.approx(mid_usd + 0.25)
    now[0] += 3_600.0
    run(made)
    assert audits.spent_usd(connection, now[0]) == pytest.approx(mid_usd + 0.50)


def test_an_endpoint_that_is_out_for_hours_breaks_no_audit(tmp_path) -> None:
    now = [NOW_S]
    connection, tiers = opened(tmp_path, audited()), Says({"top": Broken()})
    made = runner(connection, tiers, clock=lambda: now[0])
    while now[0] < NOW_S + 5.0 * 3_600.0:
        run(made)
        now[0] += 30.0
    tiers.answers = {}
    now[0] += 3_600.0
    assert run(made) == Ran(answered=1)


def test_one_that_failed_and_then_grew_old_says_that_it_failed(tmp_path) -> None:
    connection, tiers = opened(tmp_path, audited()), Says({"top": Broken()})
    run(runner(connection, tiers))
    run(runner(connection, tiers, clock=lambda: NOW_S + PATIENCE_S + 1.0))
    assert states(connection) == [("missing", "tier_failed: top connect")]


def test_an_audit_that_somebody_runs_is_not_run_twice(tmp_path) -> None:
    connection = opened(tmp_path, audited())
    assert len(audits.claim(connection, "pending", "other", now_s=NOW_S)) == 1
    assert run(runner(connection, Says())) == Ran()


def test_one_that_a_dead_worker_held_is_taken_over(tmp_path) -> None:
    connection = opened(tmp_path, audited())
    audits.claim(connection, "pending", "other", now_s=NOW_S)
    late = NOW_S + audits.CLAIM_S + 1.0
    assert run(runner(connection, Says(), clock=lambda: late)) == Ran(answered=1)


def test_a_query_that_nobody_answered_is_put_to_all(tmp_path) -> None:
    connection, tiers = opened(tmp_path, audited(served=None)), Says()
    assert run(runner(connection, tiers)) == Ran(answered=1)
    assert sorted(tiers.names) == ["mid", "small", "top"]
