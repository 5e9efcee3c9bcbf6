"""Calibrates tasks again: when there is a reason to, on graded audits alone, with a new version as the outcome.

    reason? ─▶ enough labels? ─▶ gather audits ─▶ walk the task's ladder ─▶ a policy passed ─▶ new version, active
                 │ no                                  │ none passed
                 └────────▶ on record, with what is needed ◀┘           what served before, or instead, goes on

After an alarm only audits of later queries count. Rows that an earlier attempt tested may be tested again, at a smaller
share of delta (`drift.recalibration.level`). Nothing here waits: a round looks, acts, or leaves it to a later one.
"""

from __future__ import annotations

import logging
import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from routenlp import wiring
from routenlp.cascade.policy import Policy
from routenlp.conformal.certificate import Certificate, voided_by
from routenlp.drift.recalibration import PaperSchedule, Standing, Trigger, due, level
from routenlp.errors import IllegalMove, LockHeld, MissingData
from routenlp.loop.lifecycle import State
from routenlp.replay.audited import Walked, fewest_rows, walk_audits
from routenlp.replay.rungs import KeptLadder, Rung, rungs_of
from routenlp.replay.wanted import Wanted
from routenlp.settings import Settings
from routenlp.store.policy_versions import PolicyVersions, Version
from routenlp.store.sql import monitoring, recalibrations, statements
from routenlp.store.sql.recalibrations import Attempt, Result
from routenlp.store.sql.settled import settled
from routenlp.store.turn_lock import Held, hold
from routenlp.worker.calibration_rows import AWAITS_GOLD, Gathered, gather
from routenlp.worker.calibration_split import (
    Split,
    beside_missing,
    evidence_of,
    few,
    more_labels,
    renewed_at,
    split_audits,
)
from routenlp.worker.commit_again import commit_again
from routenlp.worker.in_force import InForce, PoliciesInForce
from routenlp.worker.missing import graded_wanted, missing_words, too_many_to_prove
from routenlp.worker.renewed import Renewal, write_renewed
from routenlp.worker.repriced import going_on, write_repriced
from routenlp.worker.together import all_settled, one_ladder, one_pool, play_each, pool_of
from routenlp.worker.unwatched import Blindness

_LOG = logging.getLogger("routenlp.worker")

RECALIBRATION = "recalibration"
"""What the origin of a version begins with that was made here."""
_URGENT = frozenset({Trigger.ALARM, Trigger.VOIDED, Trigger.HAND})
"""These end a trial that is under way: the candidate was compared with a policy that no longer holds."""
_WAITS = frozenset({Trigger.ALARM, Trigger.VOIDED, Trigger.LABELS})
"""These stay until there is a certificate: after one attempt the next one waits for labels."""
AGAIN_S = 600.0
"""Until it is looked again whether audits that were drawn for gold have it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a task is to be calibrated now."""

    task: str
    trigger: Trigger


@dataclass(slots=True, eq=False)
class Recalibrator:
    """Of one worker or command. Not for two threads."""

    settings: Settings
    store: Path
    versions: PolicyVersions
    connection: sqlite3.Connection
    clock: Callable[[], float]
    in_force: PoliciesInForce = field(init=False)

    def __post_init__(self) -> None:
        self.in_force = PoliciesInForce(self.settings, self.versions)

    def look(self) -> list[Attempt]:
        """Every task that has a reason to be calibrated, once. Attempts that failed are among what is returned."""
        now = self.in_force()
        if now is None:
            return []
        found = self._at_new_prices(now)
        now = self.in_force() or now
        for task in sorted(now.policy.tasks):
            self._watch(now, task)
            reason = self.reason(now, task)
            if reason is not None and (attempt := self._attempted(reason)) is not None:
                found.append(attempt)
                now = self.in_force() or now
        return found

    def _at_new_prices(self, now: InForce) -> list[Attempt]:
        """Every task whose certificate goes on after a change of prices alone; a later round where the lock is held."""
        goes_on = going_on(now.folder, now.policy, monitoring.open_alarms(self.connection))
        if not goes_on:
            return []
        try:
            with hold(self.store, "recalibration", self.clock()) as held:
                return self._go_on(now, goes_on, held)
        except LockHeld:
            return []

    def _go_on(self, now: InForce, goes_on: Mapping[str, Certificate], held: Held) -> list[Attempt]:
        why = "Prices changed, and nothing that decides: its proof goes on."
        shared = {"policy": now.policy.version, "level": None, "reason": why}
        with tempfile.TemporaryDirectory(dir=self.store.parent, prefix=".repriced-") as at:
            folder = Path(at) / "policy"
            write_repriced(now.folder, folder, now.policy, goes_on)
            self._adopt(now, held)
            version = self.versions.add(held, folder, origin=f"{RECALIBRATION} at new prices", now_s=self.clock())
        self._serve(version, {"kind": "new prices", "carried": sorted(goes_on), **shared}, held)
        found = []
        for task, certificate in sorted(goes_on.items()):
            evidence = {"kind": "recalibration", "task": task, "certificate": certificate.id, **shared}
            found.append(self._ended(Reason(task, Trigger.VOIDED), "active", evidence, version.id))
            recalibrations.put_attempt(self.connection, found[-1])
        return found

    def _serve(self, version: Version, evidence: Mapping[str, Any], held: Held) -> None:
        for after in (State.CALIBRATED, State.ACTIVE):
            if version.state not in (after, State.ACTIVE):
                version = self.versions.move(held, version.id, after, evidence, now_s=self.clock())

    def _attempted(self, reason: Reason) -> Attempt | None:
        """None where another process has the lock: a later round tries again."""
        try:
            return self.attempt(reason)
        except LockHeld:
            return None

    def _watch(self, now: InForce, task: str) -> None:
        """Raises an alarm for a certificate that nobody watches."""
        certificate = now.policy.certificates.get(task)
        if certificate is None or task in monitoring.open_alarms(self.connection):
            return
        blind = Blindness(self.connection, self.settings)
        alarm = blind.alarm(task, certificate, now.policy.version, self.clock())
        if alarm is not None:
            _LOG.error("%s is watched no more: %s", task, alarm.evidence["why"])
            monitoring.raise_alarm(self.connection, alarm)

    def reason(self, now: InForce, task: str) -> Reason | None:
        """Why to calibrate `task` in this round; None: there is no reason, or not yet enough to do it on."""
        standing = self._standing(now, task)
        trigger = due(standing, PaperSchedule() if self._paper else None)
        if trigger is None or (trigger not in _URGENT and self.versions.pointer().candidate is not None):
            return None
        tried = self._tried(now, task, voided=standing.voided)
        if trigger in _WAITS and tried is not None:
            early = tried.evidence.get("waits_for_gold", False) and 0.0 <= self.clock() - tried.at_s < AGAIN_S
            if early or standing.labels < (standing.labels_wanted or 0):
                return None
        return Reason(task, trigger)

    def by_hand(self, tasks: Sequence[str], *, dry_run: bool = False) -> list[Attempt]:
        """Each of them once, those of one pool together. Raises what `attempt` raises."""
        found: list[Attempt] = []
        for task in tasks:
            if not any(task in attempt.evidence.get("tasks", ()) for attempt in found):
                found.append(self.attempt(Reason(task, Trigger.HAND), dry_run=dry_run))
        return found

    def attempt(self, reason: Reason, *, dry_run: bool = False) -> Attempt:
        """Calibrates the task, whatever the reason. Raises `LockHeld` where a turn or a person moves policies.

        `dry_run`: nothing is written, and no share of delta is spent.
        """
        now = self.in_force()
        if now is None:
            raise MissingData("policy", "is not there: nothing was trained", "Run `routenlp train`, or name a folder.")
        if reason.task not in now.policy.tasks:
            known = ", ".join(sorted(now.policy.tasks))
            raise MissingData(f"task {reason.task!r}", "is not one that the policy serves", f"It serves {known}.")
        if dry_run:
            return self._walk(now, reason, None)
        with hold(self.store, "recalibration", self.clock()) as held:
            attempt = self._walk(now, reason, held)
            for task in attempt.evidence.get("tasks", [reason.task]):
                recalibrations.put_attempt(self.connection, replace(attempt, task=task))
        return attempt

    def pool_s(self, now: InForce, task: str) -> float:
        """Since when audits count: the last alarm of the task, or of one that it is proved with, or other models."""
        return max(self._counts_since(now, name) for name in self._pool(now, task))

    def _counts_since(self, now: InForce, task: str) -> float:
        return max(now.since_s.get(task, 0.0), recalibrations.last_alarm_s(self.connection, task, self.clock()) or 0.0)

    def _pool(self, now: InForce, task: str) -> tuple[str, ...]:
        return pool_of(now.policy, task, now.ladders, self._asked)

    def _walk(self, now: InForce, reason: Reason, held: Held | None) -> Attempt:
        tasks, pool_s = self._pool(now, reason.task), self.pool_s(now, reason.task)
        kept = one_ladder([now.ladders.get(task) for task in tasks])
        rungs = rungs_of(now.policy.stop_rule, reason.task, kept)
        if rungs is None:
            return self._ended(reason, "refused", {"reason": "The policy has no ladder for this task: train it."})
        found = one_pool([gather(self.connection, now.policy, task, kept, pool_s) for task in tasks])
        newest = PaperSchedule().newest if self._paper else None
        split = split_audits(found, self._earlier(tasks), pool_s, newest)
        asked = self._asked(reason.task, len(tasks))
        tested = replace(asked, target=replace(asked.target, delta=level(asked.target.delta, split.looks)))
        missing = all_settled([settled(self.connection, task, pool_s) for task in tasks])
        evidence = self._evidence(now, reason, found, split, kept, pool_s) | {"tasks": list(tasks)}
        evidence |= {"graded": missing.graded, "missing": missing.missing, "missing_share": missing.share}
        evidence |= {"unreached": missing.unreached}
        fewest = fewest_rows(tested.target)
        waiting = found.left_out.get(AWAITS_GOLD, 0)
        if len(split.rows) < fewest or waiting:
            more = 0 if waiting else fewest - len(split.rows)
            evidence |= {"wanted": evidence["graded"] + more, "waits_for_gold": bool(waiting)}
            evidence |= {
                "labels_needed": max(fewest - len(split.rows), waiting),
                "reason": few(split, fewest, waiting),
            }
            return self._ended(reason, "too few labels", evidence)
        if by_people := self._gold_lacking(found, pool_s, split):
            why = f"{by_people:,} of the {self._gold:,} labels by people that judge.gold asks for are not there yet."
            lacks = {"wanted": evidence["graded"], "waits_for_gold": True, "labels_needed": by_people, "reason": why}
            return self._ended(reason, "too few labels", evidence | lacks)
        if too_many_to_prove(missing, most := self.settings.audit.most_missing):
            why = f"{missing_words(missing, self.settings)} What they would have said is not known."
            wanted = {"wanted": graded_wanted(missing, most), "labels_needed": None, "reason": why}
            return self._ended(reason, "refused", evidence | wanted)
        walked = self._walked(now.policy, rungs, kept, split, tested)
        evidence |= evidence_of(walked, tested, rungs, split) | beside_missing(walked, missing)
        evidence |= {"wanted": evidence["graded"] + more_labels(walked, split)}
        if walked.step and walked.cost_ratio is not None and walked.cost_ratio >= 1.0:
            cost = f"What passed costs {walked.cost_ratio:.3f} of the top tier alone, and would save nothing."
            return self._ended(reason, "not proved", evidence | {"reason": cost, "labels_needed": None})
        if not walked.step:
            return self._ended(reason, "not proved", evidence)
        again = commit_again(now.policy, tasks, rungs, split, asked, missing, self.settings)
        evidence, walked = {**evidence, **again.evidence}, again.walked or walked
        if held is None:
            return self._ended(reason, "active", evidence)
        at = datetime.fromtimestamp(self.clock(), UTC)
        renewal = Renewal(tasks, rungs[walked.step], walked.verdict, at, again.commits)
        return self._activate(now, reason, renewal, evidence, held)

    def _gold_lacking(self, found: Gathered, pool_s: float, split: Split) -> int:
        """Labels by people that are asked for beside a judge's; 0 where no judge's are tested."""
        if all(row.gold is not None for row in split.rows):
            return 0
        rows = zip(found.at_s, found.rows, strict=True)
        return max(self._gold - sum(at_s >= pool_s and row.gold is not None for at_s, row in rows), 0)

    @property
    def _gold(self) -> int:
        return self.settings.judge.gold if self.settings.judge is not None else 0

    def _earlier(self, tasks: Sequence[str]) -> list[Mapping[str, Any]]:
        """Evidence of earlier attempts that tested rows of any of these tasks, the oldest first; each once."""
        # An attempt at a pool is on record for each of its tasks; its own is the one that gave the reason.
        every = [
            a for a in recalibrations.attempts(self.connection) if a.tested and a.task == a.evidence.get("task", a.task)
        ]
        return [a.evidence for a in every if not set(tasks).isdisjoint(a.evidence.get("tasks", [a.task]))]

    def _walked(
        self, policy: Policy, rungs: tuple[Rung, ...], kept: KeptLadder | None, split: Split, asked: Wanted
    ) -> Walked:
        rows, guide = (play_each(policy, rungs, part) for part in (split.rows, split.guide))
        return walk_audits(split.rows, rows, split.guide, guide, kept, asked, seed=self.settings.seed)

    def _activate(
        self, now: InForce, reason: Reason, renewal: Renewal, evidence: dict[str, Any], held: Held
    ) -> Attempt:
        """A new version serves, and the alarm is over."""
        alarmed = set(monitoring.open_alarms(self.connection)) - set(renewal.tasks)
        with tempfile.TemporaryDirectory(dir=self.store.parent, prefix=".recalibrated-") as at:
            folder = Path(at) / "policy"
            renewed = write_renewed(now.folder, folder, now.policy, renewal, alarmed)
            self._adopt(now, held)
            origin = f"{RECALIBRATION} of {', '.join(renewal.tasks)}: {reason.trigger}"
            version = self.versions.add(held, folder, origin=origin, now_s=self.clock())
        evidence |= {
            "proofs": {task: its.proof for task, its in renewed.certificates.items()},
            "carried": list(renewed.carried),
            "left_behind": list(renewed.left_behind),
        }
        self._serve(version, evidence, held)
        by = f"calibrated again as policy {version.id}"
        for task in renewal.tasks:
            monitoring.clear_alarm(self.connection, task, by, now_s=self.clock())
        return self._ended(reason, "active", evidence, version.id)

    def _adopt(self, now: InForce, held: Held) -> None:
        """The folder that the settings name becomes the first version, so that there is a way back."""
        if self.versions.pointer().active is None:
            with suppress(IllegalMove):  # proved for something else: a way back to it would help nobody
                self.versions.adopt(held, now.folder, origin="policy.folder", now_s=self.clock())

    def _ended(
        self, reason: Reason, result: Result, evidence: Mapping[str, Any], version: str | None = None
    ) -> Attempt:
        return Attempt(reason.task, self.clock(), str(reason.trigger), result, version, evidence)

    def _evidence(
        self, now: InForce, reason: Reason, found: Gathered, split: Split, kept: KeptLadder | None, pool_s: float
    ) -> dict[str, Any]:
        before = now.policy.certificates.get(reason.task)
        return {
            "kind": "recalibration",
            "task": reason.task,
            "trigger": str(reason.trigger),
            "policy": now.policy.version,
            "audits_since_s": pool_s,
            "coverage": self._coverage(reason.task),
            "left_out": dict(found.left_out),
            "guide": len(split.guide),
            "looks": split.looks,
            "ladder": "kept with the policy" if kept is not None else "fixed",
            "before": {
                "status": str(now.serving.statuses[reason.task]),
                "certificate": None if before is None else before.id,
                "estimate": None if before is None else before.estimate,
                "bound": None if before is None else before.bound,
            },
            "level": None,
        }

    def _tried(self, now: InForce, task: str, *, voided: bool) -> Attempt | None:
        """The last attempt, where it was at what is wrong now."""
        last = recalibrations.last_attempt(self.connection, task)
        if last is None or last.at_s < self.pool_s(now, task):
            return None
        return last if not voided or last.evidence.get("policy") == now.policy.version else None

    def _standing(self, now: InForce, task: str) -> Standing:
        last = recalibrations.last_attempt(self.connection, task)
        certificate = now.policy.certificates.get(task)
        voided = certificate is not None and bool(voided_by(certificate, now.policy.proved_for()))
        alarmed = task in monitoring.open_alarms(self.connection)
        tried = self._tried(now, task, voided=voided)
        paper, unproved = self._paper, certificate is None or alarmed or voided
        return Standing(
            alarmed=alarmed,
            voided=voided,
            since_s=None if last is None else self.clock() - last.at_s,
            coverage_then=None if last is None else last.evidence.get("coverage"),
            coverage_now=self._coverage(task) if paper and last is not None else None,
            labels=self._labels(now, task),
            labels_wanted=self._labels_wanted(task, tried) if unproved else self._renewed_at(now, task),
        )

    def _labels(self, now: InForce, task: str) -> int:
        """Graded audits in the pool."""
        pool_s = self.pool_s(now, task)
        return sum(recalibrations.graded_count(self.connection, name, pool_s) for name in self._pool(now, task))

    def _labels_wanted(self, task: str, tried: Attempt | None) -> int:
        """Graded audits in the pool with which an attempt is worth while."""
        if tried is None or tried.result == "active":
            return fewest_rows(self._asked(task).target)
        return int(tried.evidence.get("wanted") or 0)

    def _renewed_at(self, now: InForce, task: str) -> int | None:
        """Graded audits in the pool with which a proof is made anew; None where no audits made it."""
        pool_s = self.pool_s(now, task)
        tested = [a for a in recalibrations.attempts(self.connection, task) if a.tested and a.at_s >= pool_s]
        return None if not tested or self._paper else renewed_at(tested[-1], self.clock())

    def _coverage(self, task: str) -> float | None:
        """Of the newest audits, the share of right first cheap answers that were accepted; None where none was."""
        newest = PaperSchedule().newest
        accepted, right = self.connection.execute(statements.COVERAGE, (task, self._handled(task), newest)).fetchone()
        return float(accepted / right) if right else None

    def _handled(self, task: str) -> float:
        given = self.settings.tasks.get(task)
        return 1.0 if given is None else given.handled_at

    @property
    def _paper(self) -> bool:
        return self.settings.recalibration.schedule == "paper"

    def _asked(self, task: str, together: int = 1) -> Wanted:
        """Of so many tasks together: where delta is split they miss their target together, so their shares add up."""
        every = wiring.wanted(self.settings, Wanted())
        asked = every.of(task)
        if every.family_delta is None:
            return asked
        share = together * every.family_delta / max(len(self.settings.tasks), 1)
        return replace(asked, target=replace(asked.target, delta=share))
