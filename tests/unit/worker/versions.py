"""Versions of a small policy in a real store, and graded audits of what they served."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from msgspec import structs
from tests.gateway import running
from tests.unit.store.made_policies import WHY
from tests.unit.worker import made

from routenlp import wiring
from routenlp.loop.lifecycle import State
from routenlp.replay.rungs import at_rung
from routenlp.settings import load
from routenlp.store import policies
from routenlp.store.policy_versions import PolicyVersions
from routenlp.store.sql import audits
from routenlp.store.sql.audits import Grade
from routenlp.store.sql.database import open_store
from routenlp.store.turn_lock import hold
from routenlp.worker.in_force import PoliciesInForce
from routenlp.worker.monitor import Monitor
from routenlp.worker.promised import Promised
from routenlp.worker.recalibration import Recalibrator
from routenlp.worker.renewed import carried

JOINT = Promised("joint", 0.05, 1.0, "top")


class Versions:
    """`now_s` is every clock's. The first version serves intent, private and quick, certified."""

    def __init__(self, root):
        self.root, self.now_s, self.seen = root, made.NOW_S, 0
        self.connection = made.opened(root)
        self.versions = PolicyVersions(root / "s.db", open_store(root / "s.db"))
        store = f"store: {{url: 'sqlite:///{root}/s.db'}}"
        self.settings = load(None, {}, default=running.settings("http://127.0.0.1:1/v1", None, more=store))
        with self.held() as held:
            folder = running.write_policy(root / "first")
            self.first = self.versions.adopt(held, folder, origin="test", now_s=self.now_s).id
        self.in_force = PoliciesInForce(self.settings, self.versions)
        self.monitor = Monitor(self.connection, lambda _: JOINT, lambda: self.now_s, self.in_force)

    def held(self):
        return hold(self.root / "s.db", "test", self.now_s)

    def recalibrator(self):
        return Recalibrator(
            self.settings, self.root / "s.db", self.versions, open_store(self.root / "s.db"), lambda: self.now_s
        )

    def hash_of(self, version):
        return wiring.serving_policy(self.settings, self.versions.folder(version)).policy.version

    def change(self, task, limit, *, models=None):
        """A version that differs from the active one in `task`, proved now; the other certificates go on."""
        name = f"{task}-{limit}-{self.now_s}"
        folder = running.write_policy(self.root / name)
        before = wiring.serving_policy(self.settings).policy
        rule = at_rung(before.stop_rule, task, limit)
        bare = replace(before, stop_rule=rule, certificates={}, models=models or before.models)
        proved = bare.proved_for()
        issued_at = datetime.fromtimestamp(self.now_s, UTC)
        own = replace(before.certificates[task], proved_for=proved, issued_at=issued_at)
        policy = replace(bare, certificates={**carried(before, {task}, proved, ()), task: own})
        (folder / "policy").rename(folder.parent / f"{name}-old")
        policies.save(folder / "policy", policy)
        with self.held() as held:
            version = self.versions.add(held, folder, origin="turn 1", now_s=self.now_s).id
            self.versions.move(held, version, State.CALIBRATED, WHY, now_s=self.now_s)
        return version

    def move(self, version, *states):
        with self.held() as held:
            for state in states:
                self.versions.move(held, version, state, WHY, now_s=self.now_s, share=0.05)

    def promote(self, version):
        self.move(version, State.ACTIVE)

    def audit(self, n, right, *, version, task="intent"):
        """A minute apart, of a cheap tier's answers under `version`."""
        records = []
        for _ in range(n):
            self.now_s += 60.0
            self.seen += 1
            record = made.audited(self.seen, at_s=self.now_s)
            records.append(structs.replace(record, task=task, policy_version=self.hash_of(version)))
        made.opened(self.root, *records).close()
        return records, right

    def grade(self, audited):
        records, right = audited
        for record in records:
            grades = [Grade("small", "metric", "accuracy", float(right)), Grade("top", "metric", "accuracy", 1.0)]
            audit = audits.read_audit(self.connection, record.id)
            audits.put_grades(self.connection, audit, grades, now_s=self.now_s, state="graded")

    def graded(self, n, right, *, version, task="intent"):
        self.grade(self.audit(n, right, version=version, task=task))
