"""A policy's folder with one task, or a pool of them, at another rung, and certificates that were proved for just that.

What the other tasks do is not changed by it, so their certificates are bound to the new policy as they are; but one
that was void, or that says something of a changed task or of one with an open alarm, is left behind.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from routenlp import wiring
from routenlp.cascade.commit import CommitRule
from routenlp.cascade.committing import Committing, committed
from routenlp.cascade.policy import Policy
from routenlp.conformal.certificate import UNBOUND, Certificate, ProvedFor, issue, to_json, voided_by
from routenlp.conformal.verdict import Verdict
from routenlp.contracts import StopRule
from routenlp.replay import rungs
from routenlp.replay.rungs import KeptLadder, Rung, at_rung
from routenlp.replay.stored_router import stored_rule
from routenlp.store import artefacts, policies
from routenlp.types import Parts
from routenlp.worker.together import proved_with


@dataclass(frozen=True, slots=True)
class Renewal:
    """What changes."""

    tasks: tuple[str, ...]
    """Several: of one pool, proved together."""
    rung: Rung
    verdict: Verdict
    issued_at: datetime
    commits: Mapping[str, Mapping[str, CommitRule]] = field(default_factory=dict)
    """By task and tier, what was proved with the rung, and what was set aside."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """What was written."""

    certificates: dict[str, Certificate]
    """Of the tasks that changed."""
    carried: tuple[str, ...]
    """Tasks whose certificate goes on."""
    left_behind: tuple[str, ...]
    """Tasks that had one, and have none now."""


def kept_ladders(folder: Path) -> dict[str, KeptLadder]:
    """Of the policy in `folder`, by task; none where it was made before ladders were kept."""
    if (folder / wiring.LADDER).is_dir():
        return rungs.from_part(artefacts.read(folder / wiring.LADDER)[rungs.PART])
    if (folder / wiring.POLICY).is_dir():
        return {}
    parts = artefacts.read(folder)
    return rungs.from_part(parts[rungs.PART]) if rungs.PART in parts else {}


def write_renewed(folder: Path, into: Path, policy: Policy, renewal: Renewal, alarmed: Collection[str]) -> Renewed:
    """`policy`: the one in `folder`, as it serves. `into` must not exist."""
    whole = (folder / wiring.POLICY).is_dir()
    bare = replace(policy, stop_rule=_at_rung(policy.stop_rule, renewal, policy.portfolio.names), certificates={})
    proved = bare.proved_for() if whole else replace(bare.proved_for(), models=UNBOUND)
    over = renewal.tasks if len(renewal.tasks) > 1 else ()
    own = {task: issue(task, renewal.verdict, proved, renewal.issued_at, over) for task in renewal.tasks}
    others = carried(policy, renewal.tasks, proved, alarmed)
    certificates = {**others, **own}
    if whole:
        copy_but_policy(folder, into)
        policies.save(into / wiring.POLICY, replace(bare, certificates=certificates))
    else:
        artefacts.write(into, _trained(folder, renewal, certificates))
    left = sorted(set(policy.certificates) - set(certificates))
    return Renewed(own, tuple(sorted(others)), tuple(left))


def copy_but_policy(folder: Path, into: Path) -> None:
    """Everything that lies beside a whole policy. `into` must not exist."""
    shutil.copytree(folder, into, ignore=lambda at, _: [wiring.POLICY] if Path(at) == folder else [])


def carried(
    policy: Policy, changed: Collection[str], proved: ProvedFor, alarmed: Collection[str]
) -> dict[str, Certificate]:
    """By task, the certificates of `policy` that go on under another one, which does all but the tasks in `changed` as
    it does: bound to `proved`, which that one decides by, and else as they are.

    Left behind are those that were void, and those that prove something of a changed task or of one with an open alarm:
    its own, and those of its pool.
    """
    now, left = policy.proved_for(), proved_with(policy, {*changed, *alarmed})
    return {
        name: replace(certificate, proved_for=proved)
        for name, certificate in policy.certificates.items()
        if name not in left and not voided_by(certificate, now)
    }


def _at_rung(rule: StopRule, renewal: Renewal, tiers: tuple[str, ...]) -> StopRule:
    for task in renewal.tasks:
        rule = committed(at_rung(rule, task, renewal.rung), tiers, task, renewal.commits.get(task, {}))
    return rule


def _trained(folder: Path, renewal: Renewal, certificates: dict[str, Certificate]) -> dict[str, Parts]:
    """What `routenlp train` wrote, with another rule and other proofs: its costs are priced where it is read."""
    parts = artefacts.read(folder)
    stored, commits = stored_rule(parts["stop_rule"])
    rule = _at_rung(Committing(stored, stored.tiers, commits) if commits else stored, renewal, stored.tiers)
    texts = {task: to_json(certificate) for task, certificate in sorted(certificates.items())}
    return {**parts, "stop_rule": rule.parts(), "proof": Parts("proof/certificates", {}, {"certificates": texts})}
