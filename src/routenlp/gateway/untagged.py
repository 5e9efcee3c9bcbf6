"""A query whose caller did not say which task it is of: the classifier names one, or it is `default`.

A wrong guess must not lead around a wall, so what is served is narrower than every wall in question:

    tiers = those of `default`, where the caller may ask it
            and of the task assigned
            and of every plausible task that the caller may ask

Where no tier is left, `default`'s own answer, as if there were no classifier: walls that exclude each other cannot all
be kept, and its wall is the one that untagged queries were given. Where the assigned task's last tier is cut off, its
certificate says nothing of what is left, and the dearest tier left answers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from routenlp.conformal.verdict import Status
from routenlp.contracts import Encoder
from routenlp.gateway.live import DEFAULT_TASK, Live, Served
from routenlp.gateway.request import ChatRequest
from routenlp.router.reading import reading
from routenlp.router.task_classifier import TaskClassifier, TaskGuess
from routenlp.store.sql.keys import KeyRow
from routenlp.types import Query

_LOG = logging.getLogger("routenlp.gateway")


@dataclass(frozen=True, slots=True, eq=False)
class GuessesTasks:
    """The classifier with its encoder, which the router shares where it is the same one."""

    encoder: Encoder
    classifier: TaskClassifier
    narrowed: dict[tuple[str, tuple[str, ...]], Served] = field(default_factory=dict)
    """By task and tiers: made once each; there are few."""

    def guess(self, request: ChatRequest) -> TaskGuess:
        """Of the same reading of the text as the router's."""
        text = reading(Query("", "", request.text, {}, request.turns))
        return self.classifier.guess(self.encoder.encode([text])[0])


@dataclass(frozen=True, slots=True)
class Untagged:
    """What was made of a query without a tag."""

    served: Served
    guess: TaskGuess | None
    """None where the classifier failed."""


def of_untagged(guesses: GuessesTasks, request: ChatRequest, key: KeyRow | None, live: Live) -> Untagged:
    """The task and tiers of this query. Never raises: whatever fails of ours, it is `default`."""
    default = live.tasks[DEFAULT_TASK]
    try:
        guess = guesses.guess(request)
    except Exception:  # noqa: BLE001  (whatever it is, the client still gets an answer)
        _LOG.exception("the task classifier failed, the task is default")
        return Untagged(default, None)

    def askable(name: str) -> bool:
        return name in live.tasks and (key is None or key.may_ask(name))

    assigned = live.tasks[guess.task] if guess.task is not None and askable(guess.task) else default
    walls = [live.tasks[name].tiers for name in guess.plausible if askable(name)]
    if askable(DEFAULT_TASK):
        walls.append(default.tiers)
    tiers = tuple(tier for tier in assigned.tiers if all(tier in wall for wall in walls))
    if not tiers:
        return Untagged(default, guess)
    return Untagged(assigned if tiers == assigned.tiers else _narrowed(guesses, assigned, tiers), guess)


def _narrowed(guesses: GuessesTasks, served: Served, tiers: tuple[str, ...]) -> Served:
    found = guesses.narrowed.get((served.task, tiers))
    if found is None:
        audits = tuple(tier for tier in served.audit_tiers if tier in tiers)
        rate = served.audit_rate if len(audits) > 1 else 0.0
        found = replace(served, tiers=tiers, audit_rate=rate, audit_tiers=audits)
        if served.tiers[-1] not in tiers:
            found = replace(found, status=Status.UNCERTIFIED, routed=False, stale=False)
        guesses.narrowed[served.task, tiers] = found
    return found
