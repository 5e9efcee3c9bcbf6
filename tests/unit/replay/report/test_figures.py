from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.replay.report.made import DAY, NOON_S, audit, audits, graded, traffic

from routenlp.replay.report.changes import History
from routenlp.replay.report.figures import Figures, Records, Turns, figures
from routenlp.replay.report.quality import Promise
from routenlp.replay.report.sampling import sampling
from routenlp.store.sql.reported import Kept, Period, ReportedAudit, Traffic

DAY_S = 86_400.0
NOTHING_LOST = Kept(0, 0, 0, 0, 0, {})


def made(
    came: list[Traffic], drawn: list[ReportedAudit], kept: Kept = NOTHING_LOST, *, promised: bool = True
) -> Figures:
    promises = {"intent": Promise("quality_ratio", 0.03, 1.0)} if promised else None
    history = History([], [], [], [], [])
    records = Records(Period(0.0, 4e9), came, drawn, [], kept, history, Turns(0, 0.0), promises)
    return figures(records, seed=0)


def test_without_traffic_every_figure_is_unknown_and_none_is_zero() -> None:
    found = made([], [])
    assert (found.first_s, found.savings.top.estimate, found.savings.token_estimate_usd) == (None, None, None)
    assert (found.quality, found.timeline.spans) == ((), ())


def test_costs_of_a_day_are_those_of_its_requests_and_what_audits_say_they_lack() -> None:
    days = [traffic(), traffic(day=DAY + 1, top_estimate_usd=50.0, requests=50, cost_usd=0.5)]
    found = made(days, audits(40, top_usd=1.5))
    assert [(s.top_usd, s.paid_usd) for s in found.timeline.spans] == [(pytest.approx(150.0), 1.0), (75.0, 0.5)]
    assert sum(s.top_usd or 0.0 for s in found.timeline.spans) == pytest.approx(found.savings.top.estimate)


def test_a_long_period_is_shown_by_weeks_that_begin_on_mondays() -> None:
    line = made([traffic(day=DAY + i) for i in range(20)], []).timeline
    assert line.days_each == 7
    assert [(span.day - 4) % 7 for span in line.spans] == [0] * len(line.spans)
    assert sum(span.requests for span in line.spans) == 20 * 100


def test_a_day_without_audits_has_no_quality() -> None:
    found = made([traffic(), traffic(day=DAY + 1)], audits(40))
    assert [s.quality_ratio.estimate for s in found.timeline.spans] == [1.0, None]
    assert any("On 1 of 2 days" in words for words in found.not_known)


def test_what_is_not_known_is_said() -> None:
    judged = audits(40, qualities=graded(1.0, 1.0, "judge"))
    kept = Kept(7, 2, 0, 0, 9, {"score": 3})
    said = " ".join(made([traffic()], judged, kept, promised=False).not_known)
    for words in (
        "no settings were read",
        "intent (40) were graded by a judge alone",
        "7 records",
        "tried on 9",
        "3 times, and no",
    ):
        assert words in said


def test_a_draw_that_is_not_the_one_on_record_is_noticed() -> None:
    said = " ".join(made([traffic(requests=1_000, expected_audits=100.0, drawn=20)], audits(20)).not_known)
    assert "further from what their chances call for" in said


def test_requests_that_could_not_be_drawn_are_counted_by_why() -> None:
    came = [
        traffic(),
        *(traffic(way=way, covered=False, least_propensity=None, drawn=0, requests=5) for way in ("named", "off")),
        traffic(covered=False, least_propensity=None, expected_audits=0.0, drawn=0, requests=7),
    ]
    (found,) = sampling(came)
    assert (found.requests, found.covered, found.named, found.off, found.never) == (117, 100, 5, 5, 7)


def test_a_draw_for_gold_that_waits_is_left_out_with_why() -> None:
    one = audit(qualities=graded(1.0, 1.0, "judge"), gold_propensity=1.0)
    found = made([traffic()], [one, *(replace(a, at_s=NOON_S + DAY_S) for a in audits(40)[1:])])
    assert found.quality[0].left_out == {"drawn for gold, and waits for it": 1}
