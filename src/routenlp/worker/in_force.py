"""What serves, and what is on trial beside it: by the store, with the settings; and since when its tiers are those."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from routenlp import wiring
from routenlp.cascade.policy import Policy, fingerprint
from routenlp.errors import RouteNlpError
from routenlp.loop.lifecycle import State
from routenlp.replay.rungs import KeptLadder, alone
from routenlp.router.per_task import router_of
from routenlp.settings import Settings
from routenlp.store.policy_versions import Pointer, PolicyVersions
from routenlp.wiring import Serving
from routenlp.worker.renewed import kept_ladders


@dataclass(frozen=True, slots=True, eq=False)
class InForce:
    """What serves."""

    folder: Path
    serving: Serving
    version: str | None
    """None: it is no version of the store, but the folder that the settings name."""
    ladders: Mapping[str, KeptLadder]
    """By task, what calibration walks along."""
    decides: Mapping[str, Mapping[str, str]]
    """By policy, of this one and of one on trial beside it, what `decides_on` its tasks."""
    since_s: Mapping[str, float]
    """By task, since when its tiers' models are those of now; absent: as long as there is a record."""

    @property
    def policy(self) -> Policy:
        """The policy, at the prices and tasks of now."""
        return self.serving.policy


class PoliciesInForce:
    """Read anew when the store says that something changed. Not for two threads."""

    def __init__(self, settings: Settings, versions: PolicyVersions) -> None:
        self._settings = settings
        self._versions = versions
        self._kept: tuple[int, InForce | None] | None = None

    def __call__(self) -> InForce | None:
        """None without a policy."""
        pointer = self._versions.pointer()
        if self._kept is None or self._kept[0] != pointer.revision:
            self._kept = pointer.revision, self._read(pointer)
        return self._kept[1]

    def _read(self, pointer: Pointer) -> InForce | None:
        named = self._settings.policy.folder
        folder = self._folder(pointer.active) or (Path(named).expanduser() if named else None)
        serving = wiring.serving_policy(self._settings, folder) if folder is not None else None
        if folder is None or serving is None:
            return None
        candidate = self._candidate(self._folder(pointer.candidate))
        decides = {its.policy.version: decides_on(its.policy) for its in (serving, candidate) if its is not None}
        since_s = self._since_s(serving.policy.tasks) if pointer.active else {}
        return InForce(folder, serving, pointer.active, kept_ladders(folder), decides, since_s)

    def _candidate(self, folder: Path | None) -> Serving | None:
        """None too where it cannot be read: then it serves nothing, and what judges the trial says why."""
        try:
            return wiring.serving_policy(self._settings, folder) if folder is not None else None
        except RouteNlpError:
            return None

    def _folder(self, version: str | None) -> Path | None:
        return self._versions.folder(version) if version else None

    def _since_s(self, tasks: Iterable[str]) -> dict[str, float]:
        """Since when every version in force has had the models that answer the task now: what was changed of other
        tasks, and what a recalibration changed, left their answers as they were."""
        summaries = {version.id: version.summary for version in self._versions.all()}
        began = [move for move in self._versions.every_move() if _became_active(move.before, move.after)]
        found = {}
        for task in tasks:
            models = [_models(summaries[move.version], task) for move in began]
            others = [at for at, its in enumerate(models) if its != models[-1]]
            found[task] = began[others[-1] + 1].at_s if others else 0.0
        return found


def _became_active(before: State | None, after: State) -> bool:
    return after is State.ACTIVE and before is not State.ACTIVE


def _models(summary: Mapping[str, Any], task: str) -> object:
    """What answers the task, and what scores the answers. An endpoint's model is known by its answers' own word."""
    tiers = [(tier["name"], tier.get("backend")) for tier in summary["tiers"]]
    students = [summary["models"].get(name, {}).get(task) for name, _ in tiers]
    return tiers, students, summary["parts"].get("scorer")


def decides_on(policy: Policy) -> dict[str, str]:
    """By task, SHA-256 of all that decides on its queries, and of what was proved of it.

    Two policies that have it in common serve the task exactly alike: what an audit says of one it says of the other.
    Prices are in it where router or rule weigh them.
    """
    now = policy.proved_for()
    return {task: _decides(policy, task, [now.prompts, now.scorer]) for task in policy.tasks}


def _decides(policy: Policy, task: str, shared: list[str]) -> str:
    router, certificate = router_of(policy.router, task), policy.certificates.get(task)
    parts: list[object] = [
        shared,
        asdict(policy.tasks[task]),
        [policy.models.get(tier, {}).get(task) for tier in policy.portfolio.names],
        None if router is None else fingerprint(router.parts()),
        fingerprint(alone(policy.stop_rule, task).parts()),
        None if certificate is None else certificate.proof,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
