"""The policy: everything that decides, immutable and versioned by a hash of its parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from routenlp.cascade.first_by_router import FirstByRouter
from routenlp.cascade.per_task import rule_of
from routenlp.conformal.certificate import Certificate, ProvedFor, to_json, voided_by
from routenlp.conformal.verdict import Status
from routenlp.contracts import Router, Scorer, StopRule
from routenlp.errors import UnknownTask
from routenlp.portfolio.tiers import Portfolio
from routenlp.types import Call, Parts, Query, Route, Step, Stop, Task

_WEIGHED = ("input_usd_per_mtok", "output_usd_per_mtok")
"""What a rule weighs of a price: a provider's cache is not foreseen, so its prices prove nothing and void nothing."""


def fingerprint(parts: Parts) -> str:
    """SHA-256 of a part: its kind, its JSON and every array's name, type, shape and bytes."""
    digest = hashlib.sha256()
    digest.update(json.dumps([parts.kind, parts.meta], sort_keys=True, ensure_ascii=True).encode())
    for name in sorted(parts.arrays):
        array = np.ascontiguousarray(parts.arrays[name])
        digest.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def decides_hash(router: Parts, stop_rule: Parts) -> str:
    """SHA-256 of all that chooses tiers."""
    return _digest([fingerprint(router), fingerprint(stop_rule)])


def prices_hash(prices: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of what a rule weighs of the tiers' prices, given by field, cheapest tier first."""
    return _digest([{name: price[name] for name in _WEIGHED} for price in prices])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def proved_for(parts: Mapping[str, Parts]) -> ProvedFor:
    """Hashes of everything that decides an answer, its grade and its price, from a policy's parts by name."""
    frame: Any = parts["frame"].meta
    tiers = frame["portfolio"]
    return ProvedFor(
        models=_digest(frame["models"]),
        prompts=_digest([[tier["name"], tier["backend"], tier["model"]] for tier in tiers]),
        router=decides_hash(parts["router"], parts["stop_rule"]),
        scorer=fingerprint(parts["scorer"]),
        judge=_digest([[task["name"], task["metric"], task["handled_at"]] for task in frame["tasks"]]),
        prices=prices_hash(tier["price"] for tier in tiers),
    )


@dataclass(frozen=True, slots=True)
class Policy:
    """Portfolio, router, scorer, stop rule and certificates. Never changed in place: a change is another policy."""

    portfolio: Portfolio
    tasks: Mapping[str, Task]
    router: Router
    scorer: Scorer
    stop_rule: StopRule
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By tier and task, the fingerprint of the model that the thresholds were calibrated for."""
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    """By task. One that was proved for anything else than this policy counts for nothing: see `status`."""
    version: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        hashes = {name: fingerprint(parts) for name, parts in self.parts().items()}
        version = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
        object.__setattr__(self, "version", version)

    def parts(self) -> dict[str, Parts]:
        """What is stored, by name."""
        frame = {
            "portfolio": [asdict(tier) for tier in self.portfolio.tiers],
            "tasks": [asdict(self.tasks[name]) for name in sorted(self.tasks)],
            "models": {tier: dict(by_task) for tier, by_task in self.models.items()},
            "certificates": {task: to_json(self.certificates[task]) for task in sorted(self.certificates)},
        }
        return {
            "frame": Parts("policy/frame", {}, frame),
            "router": self.router.parts(),
            "scorer": self.scorer.parts(),
            "stop_rule": self.stop_rule.parts(),
        }

    def proved_for(self) -> ProvedFor:
        """Hashes of everything that decides an answer, its grade and its price, for certificates to be bound to."""
        return proved_for(self.parts())

    def status(self, task: str) -> Status:
        """What is proved of this very policy on `task`; UNCERTIFIED without a certificate, or when it is void."""
        certificate = self.certificates.get(task)
        if certificate is None or voided_by(certificate, self.proved_for()):
            return Status.UNCERTIFIED
        return certificate.status

    def tiers_of(self, task: str) -> tuple[str, ...]:
        """The tiers that may answer the task, cheapest first: all, but where its own rule knows fewer."""
        rule = rule_of(self.stop_rule, task)
        while isinstance(rule, FirstByRouter):
            rule = rule_of(rule.rule, task)
        if rule is None:
            return (self.portfolio.top,)
        known: tuple[str, ...] = getattr(rule, "tiers", self.portfolio.names)
        return known

    def route(self, query: Query) -> Route:
        """The router's choice; raises `UnknownTask` for a task that this policy does not know."""
        if query.task not in self.tasks:
            known = ", ".join(sorted(self.tasks))
            raise UnknownTask(f"query {query.id!r}", f"has task {query.task!r}", f"Known tasks: {known}.")
        return self.router.route(query)

    def next(self, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
        """The stop rule's verdict."""
        return self.stop_rule.next(route, steps)
