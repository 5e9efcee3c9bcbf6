"""Certificates of a trained router, bound to what training knows of that which will serve.

Training always knows the router, the stop rule and the scorer that answers are judged by. Prices and graders it knows
where it was given the settings that will serve, and prices also where costs came from tokens. Which model answers
behind a tier's name, and to which prompt, it never sees: only the names in the settings can be bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime

from routenlp.cascade.policy import Policy, decides_hash, fingerprint, prices_hash
from routenlp.conformal.certificate import UNBOUND, Certificate, ProvedFor, issue
from routenlp.conformal.verdict import Status
from routenlp.portfolio.tiers import Portfolio
from routenlp.replay.trained import Trained
from routenlp.replay.trained_on_preferences import PreferenceTrained
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.types import Task


def issue_all(
    trained: Trained, issued_at: datetime, portfolio: Portfolio | None = None, tasks: Mapping[str, Task] | None = None
) -> dict[str, Certificate]:
    """By task; none for a task of which nothing was proved or seen. `portfolio`, `tasks`: those that will serve."""
    bound = bound_to(trained, portfolio, tasks)
    return {
        name: issue(name, task.walk.verdict, bound, issued_at, task.walk.tasks if len(task.walk.tasks) > 1 else ())
        for name, task in trained.tasks.items()
        if task.walk.status is not Status.UNCERTIFIED
    }


def issue_unproved(trained: PreferenceTrained, issued_at: datetime) -> dict[str, Certificate]:
    """Of a router from preferences alone: EMPIRICAL, or none."""
    if trained.verdict.status is Status.UNCERTIFIED:
        return {}
    bound = ProvedFor(
        models=UNBOUND,
        prompts=UNBOUND,
        router=decides_hash(trained.router.parts(), trained.stop_rule.parts()),
        scorer=UNBOUND,
        judge=UNBOUND,
        prices=UNBOUND,
    )
    tasks = trained.stop_rule.tasks
    over = tasks if len(tasks) > 1 else ()
    return {task: issue(task, trained.verdict, bound, issued_at, over) for task in tasks}


def bound_to(trained: Trained, portfolio: Portfolio | None, tasks: Mapping[str, Task] | None) -> ProvedFor:
    """What is known, with `UNBOUND` for the rest."""
    scorer = TokenUncertainty()
    if portfolio is not None and tasks is not None:
        policy = Policy(portfolio, tasks, trained.router, scorer, trained.stop_rule)
        return replace(policy.proved_for(), models=UNBOUND)
    return ProvedFor(
        models=UNBOUND,
        prompts=UNBOUND,
        router=decides_hash(trained.router.parts(), trained.stop_rule.parts()),
        scorer=fingerprint(scorer.parts()),
        judge=UNBOUND,
        prices=UNBOUND if trained.prices is None else prices_hash(map(asdict, trained.prices)),
    )
