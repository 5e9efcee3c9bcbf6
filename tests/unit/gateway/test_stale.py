"""After an alarm the top tier serves, unless the task's setting lets its last certificate serve on."""

from __future__ import annotations

from routenlp.conformal.verdict import Status
from routenlp.gateway.live import served_tasks
from routenlp.settings import load

TEXT = """
portfolio:
  - {name: a, backend: recorded, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}
  - {name: b, backend: recorded, price: {input_usd_per_mtok: 9, output_usd_per_mtok: 9}}
tasks: {careful: {}, bold: {stale: serve}}
store: {}
content: {store: audits}
"""
KNOWN = dict.fromkeys(("careful", "bold"), Status.CERTIFIED)


def test_the_settings_decide_who_serves_while_an_alarm_is_open():
    served = served_tasks(load(None, {}, default=TEXT), KNOWN, frozenset(KNOWN))
    careful, bold = served["careful"], served["bold"]
    assert (careful.routed, careful.stale, careful.status) == (False, False, Status.UNCERTIFIED)
    assert (bold.routed, bold.stale, bold.status) == (True, True, Status.CERTIFIED)
    assert careful.audit_rate == bold.audit_rate == 1.0, "all of it is audited, for what comes next"


def test_without_an_alarm_nothing_is_stale():
    served = served_tasks(load(None, {}, default=TEXT), KNOWN)
    assert [served[task].stale for task in KNOWN] == [False, False]
    assert all(served[task].routed for task in KNOWN)


def test_what_was_never_proved_is_not_served_by_being_stale():
    served = served_tasks(load(None, {}, default=TEXT), {"bold": Status.UNCERTIFIED}, frozenset({"bold"}))
    assert not served["bold"].routed
    assert not served["bold"].stale
