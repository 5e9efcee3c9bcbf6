"""Certificates: identity, what voids them, and their JSON."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from routenlp.conformal.certificate import UNBOUND, Certificate, ProvedFor, from_json, issue, to_json, voided_by
from routenlp.conformal.groups import row_units
from routenlp.conformal.joint import joint
from routenlp.conformal.verdict import Method, Status
from routenlp.errors import ArtefactError

PROVED_FOR = ProvedFor(*(f"{name}-1" for name in ("models", "prompts", "router", "scorer", "judge", "prices")))
CERTIFICATE = Certificate(
    task="cs_intent",
    rule="joint",
    target=0.05,
    delta=0.1,
    n=500,
    groups=120,
    method=Method.BETTING,
    status=Status.CERTIFIED,
    bound=0.048,
    estimate=0.03,
    proved_for=PROVED_FOR,
    issued_at=datetime(2025, 5, 1, 12, tzinfo=UTC),
)
CHANGES = {
    "task": "other",
    "rule": "conditional",
    "target": 0.06,
    "delta": 0.2,
    "n": 501,
    "groups": 121,
    "method": Method.NORMAL,
    "status": Status.ASYMPTOTIC,
    "bound": None,
    "estimate": None,
    "proved_for": replace(PROVED_FOR, judge="judge-2"),
    "issued_at": datetime(2025, 5, 2, 12, tzinfo=UTC),
    "over": ("intent", "drafts"),
}


def test_nothing_changed_voids_nothing():
    assert voided_by(CERTIFICATE, PROVED_FOR) == ()


@pytest.mark.parametrize("name", [field.name for field in fields(ProvedFor)])
def test_any_change_voids_and_is_named(name):
    assert voided_by(CERTIFICATE, replace(PROVED_FOR, **{name: "new"})) == (name,)


def test_what_it_is_not_bound_to_cannot_void_it():
    loose = replace(CERTIFICATE, proved_for=replace(PROVED_FOR, prices=UNBOUND))
    assert voided_by(loose, replace(PROVED_FOR, prices="new")) == ()
    assert voided_by(loose, replace(PROVED_FOR, prices="new", judge="new")) == ("judge",)


def test_several_changes_are_all_named():
    assert voided_by(CERTIFICATE, replace(PROVED_FOR, prices="2", models="2")) == ("models", "prices")


@pytest.mark.parametrize("name", [field.name for field in fields(Certificate)])
def test_another_field_is_another_certificate(name):
    assert replace(CERTIFICATE, **{name: CHANGES[name]}).id != CERTIFICATE.id


def test_the_same_moment_in_another_zone_is_the_same_certificate():
    there = CERTIFICATE.issued_at.astimezone(timezone(timedelta(hours=5)))
    assert replace(CERTIFICATE, issued_at=there).id == CERTIFICATE.id


def test_json_round_trip():
    assert from_json(to_json(CERTIFICATE)) == CERTIFICATE
    together = replace(CERTIFICATE, over=("intent", "drafts"))
    assert from_json(to_json(together)) == together
    nothing = replace(CERTIFICATE, bound=None, estimate=None)
    assert from_json(to_json(nothing)) == nothing


def test_it_is_issued_for_a_verdict():
    verdict = joint(np.zeros((1, 60)), alpha=0.05, delta=0.1, units=row_units(60, seed=0))
    issued = issue("t", verdict, PROVED_FOR, CERTIFICATE.issued_at)
    assert (issued.rule, issued.n, issued.status, issued.bound) == ("joint", 60, Status.CERTIFIED, verdict.bound)
    assert from_json(to_json(issued)) == issued


def altered(**changes):
    return json.dumps(json.loads(to_json(CERTIFICATE)) | changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        altered(format="routenlp-certificate/9"),
        altered(extra=1),
        altered(status="golden"),
        altered(method="magic"),
        altered(n="500"),
        altered(n=True),
        altered(bound="low"),
        altered(task=7),
        altered(issued_at="yesterday"),
        altered(issued_at=5),
        altered(issued_at="2025-05-01T12:00:00"),
        altered(proved_for={"models": "m"}),
        altered(proved_for=None),
        altered(proved_for={name.name: 3 for name in fields(ProvedFor)}),
    ],
)
def test_what_is_no_certificate_is_refused(text):
    with pytest.raises(ArtefactError):
        from_json(text)
