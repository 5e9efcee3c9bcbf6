"""What a policy's folder says of itself, read from its parts without building anything: for lists, diffs and checks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from routenlp.cascade.committing import Committing
from routenlp.cascade.first_by_router import FirstByRouter
from routenlp.cascade.per_task import RulePerTask
from routenlp.cascade.policy import fingerprint, proved_for
from routenlp.conformal.certificate import from_json, voided_by
from routenlp.conformal.verdict import Status
from routenlp.errors import ArtefactError
from routenlp.router.nested import part_of, unwrapped
from routenlp.store import artefacts
from routenlp.types import Parts

POLICY = "policy"
"""Where the policy lies in a whole folder; what `routenlp train` writes is one artefact without it."""


def summarise(folder: Path) -> dict[str, Any]:
    """JSON values: `tiers`, `tasks` (each with its status and certificate), `parts` (a hash of each), `voided`.

    `voided`: by task whose certificate was not proved for this very policy, what differs. Raises `ArtefactError`.
    """
    at = folder / POLICY
    try:
        return _whole(artefacts.read(at)) if at.is_dir() else _trained(artefacts.read(folder))
    except (KeyError, TypeError, ValueError, IndexError) as exc:
        raise ArtefactError(
            str(folder), f"is no policy (lacks {exc})", "Name a policy, or what `train` wrote."
        ) from exc


def _whole(parts: Mapping[str, Parts]) -> dict[str, Any]:
    frame: Any = parts["frame"].meta
    now = proved_for(parts)
    tasks: dict[str, Any] = {}
    voided: dict[str, list[str]] = {}
    for task in frame["tasks"]:
        name = task["name"]
        text = frame["certificates"].get(name)
        if text is None:
            tasks[name] = {"status": str(Status.UNCERTIFIED), "certificate": None}
            continue
        certificate = from_json(text)
        if changed := voided_by(certificate, now):
            voided[name] = list(changed)
        status = Status.UNCERTIFIED if changed else certificate.status
        tasks[name] = {"status": str(status), "certificate": json.loads(text)}
    return {
        "tiers": frame["portfolio"],
        "models": frame["models"],
        "tasks": tasks,
        "parts": {name: fingerprint(value) for name, value in parts.items() if name != "frame"},
        "thresholds": _thresholds(parts["stop_rule"]),
        "voided": voided,
    }


def _trained(parts: Mapping[str, Parts]) -> dict[str, Any]:
    """Whether its certificates hold is said where it serves: they are bound to endpoints, which it does not know."""
    rule: Any = _within(parts["stop_rule"]).meta
    proof: Any = parts["proof"].meta
    certificates = {task: json.loads(text) for task, text in proof["certificates"].items()}
    tasks = {task: certificates.get(task) for task in rule["tasks"]}
    return {
        "tiers": [{"name": name} for name in rule["tiers"]],
        "models": {},
        "tasks": {
            task: {"status": proved["status"] if proved else str(Status.UNCERTIFIED), "certificate": proved}
            for task, proved in tasks.items()
        },
        "parts": {name: fingerprint(parts[name]) for name in ("encoder", "router", "stop_rule")},
        "thresholds": {},
        "voided": {},
    }


def _thresholds(stop_rule: Parts) -> dict[str, Any]:
    """By task and tier, where the rule has any."""
    rule = _within(stop_rule)
    meta: Any = rule.meta
    if rule.kind == RulePerTask.KIND:
        own = [(task, _thresholds(part_of(rule, f"rule{at}"))) for at, task in enumerate(meta["tasks"])]
        return {task: found[task] for task, found in own if task in found}
    return {task: dict(tiers) for task, tiers in meta.get("thresholds", {}).items()}


def _within(stop_rule: Parts) -> Parts:
    """The rule of whole answers, without what stands around it."""
    while stop_rule.kind in (Committing.KIND, FirstByRouter.KIND):
        stop_rule = unwrapped(stop_rule)
    return stop_rule
