"""After a change of prices alone, certificates go on: nothing that decides has changed, and they say nothing of costs.

A certificate is bound to the price table because a rule that weighs prices may decide otherwise at others. Where router
and stop rule are what they were, to the last bit, every query gets the answer that was proved: there is nothing to
test, and no share of delta is spent. Where they were priced anew, their hashes differ too, and audits must prove it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from routenlp import wiring
from routenlp.cascade.policy import Policy
from routenlp.conformal.certificate import Certificate, voided_by
from routenlp.store import policies
from routenlp.worker.renewed import copy_but_policy
from routenlp.worker.together import proved_with

PRICES = ("prices",)
"""What `voided_by` names where nothing else has changed."""


def going_on(folder: Path, policy: Policy, alarmed: Collection[str]) -> dict[str, Certificate]:
    """By task, the certificates of `policy` that new prices alone have voided, bound to the prices of now and else as
    they are; none that says something of a task with an open alarm.

    `policy`: as it serves from `folder`. None at all where the folder has no whole policy: its rule is priced anew.
    """
    if not (folder / wiring.POLICY).is_dir():
        return {}
    now, left = policy.proved_for(), proved_with(policy, alarmed)
    return {
        task: replace(certificate, proved_for=replace(certificate.proved_for, prices=now.prices))
        for task, certificate in policy.certificates.items()
        if task not in left and voided_by(certificate, now) == PRICES
    }


def write_repriced(folder: Path, into: Path, policy: Policy, certificates: Mapping[str, Certificate]) -> None:
    """The folder at the prices of now, with these certificates and no other. `into` must not exist."""
    copy_but_policy(folder, into)
    policies.save(into / wiring.POLICY, replace(policy, certificates=certificates))
