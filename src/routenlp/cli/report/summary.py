"""What a manager reads in half a minute: what it would have cost, what it did, whether quality held, who touched it."""

from __future__ import annotations

from routenlp.cli.report.cells import (
    UNKNOWN,
    listed,
    moment,
    percent,
    percent_interval,
    plural,
    usd,
    usd_interval,
)
from routenlp.cli.report.document import Fact
from routenlp.cli.report.gather import Gathered
from routenlp.replay.report.changes import By
from routenlp.replay.report.figures import Figures
from routenlp.replay.report.quality import Kept
from routenlp.replay.report.savings import Savings


def facts(found: Figures) -> tuple[Fact, ...]:
    """Four figures."""
    savings, made = found.savings, found.changes
    states = [q.kept for q in found.quality]
    hand = made.by(By.HAND)
    return (
        Fact("Saved", _share_or_unknown(savings), _saved_note(savings)),
        Fact("Paid, everything", usd(savings.spent.usd), _paid_note(savings)),
        Fact("Quality targets kept", _kept_of(states), _kept_note(states)),
        Fact("Changes by hand", f"{hand:,}", f"of {plural(len(made.made), 'change')} of what serves"),
    )


def summary(found: Figures, read: Gathered) -> tuple[str, ...]:
    """In plain words."""
    if not found.requests:
        return ("No request came in this period, so nothing is known of it.",)
    return (*_money(found), *_quality(found), _changes(found), *_open(read))


def _money(found: Figures) -> tuple[str, str]:
    savings, spent = found.savings, found.savings.spent
    first, last = (moment(at) if at is not None else UNKNOWN for at in (found.first_s, found.last_s))
    paid = (
        f"{plural(found.requests, 'request')} came from {first} to {last} UTC. All that was paid for them is "
        f"{usd(spent.usd)}: {usd(spent.serving_usd)} for answers, those of failures and of the top tier among them, "
        f"{usd(spent.audits_usd)} for audits, {usd(spent.judge_usd)} for judging, {usd(spent.turns_usd)} for lessons."
    )
    return paid, _saved(found, savings) if savings.top.estimate is not None else _not_saved(savings)


def _saved(found: Figures, savings: Savings) -> str:
    whole = savings.requests == found.requests
    scope = "For these" if whole else f"For the {savings.requests:,} requests that audits stand for,"
    beside = savings.spent.usd - savings.spent.serving_usd
    audits = sum(t.audits for t in savings.tasks)
    return (
        f"{scope} always asking the top tier would have cost {usd_interval(savings.top)}. Serving them cost "
        f"{usd(savings.paid_usd)}, all audits, judging and lessons {usd(beside)}. Saved: "
        f"{usd_interval(savings.saved_usd)}, or {percent_interval(savings.saved)}. In brackets: 95% intervals, "
        f"measured on {plural(audits, 'audit')}, requests drawn at random that the top tier answered too."
    ).lstrip()


def _not_saved(savings: Savings) -> str:
    tokens = savings.token_estimate_usd
    said = "What was saved is unknown, for too few requests were audited."
    if tokens is None:
        return said
    return (
        f"{said} From the lengths of the answers alone, always asking the top tier would have cost about {usd(tokens)} "
        "where the policy chose: a guess, and not a measurement."
    )


def _quality(found: Figures) -> list[str]:
    by_state = {state: [q.task for q in found.quality if q.kept is state] for state in Kept}
    words = {
        Kept.YES: "kept on {}",
        Kept.NO: "MISSED on {}",
        Kept.OPEN: "not shown either way on {}",
        Kept.UNKNOWN: "unknown on {}",
        Kept.NO_TARGET: "not to be told for {}, which has none on record",
    }
    said = [words[state].format(listed(tasks)) for state, tasks in by_state.items() if tasks]
    return [f"The quality target, on the audits of this period, was {'; '.join(said)}."] if said else []


def _changes(found: Figures) -> str:
    made, moves = found.changes, found.changes.moves
    hand, asked = made.by(By.HAND), made.by(By.ASKED)
    none = f"No change by hand: the store's whole history has {plural(moves, 'move')} of policy versions to show it."
    by_hand = none if not hand else f"{plural(hand, 'change')} by hand, listed below."
    began = f" {plural(asked, 'change')} asked for by a person and decided on evidence." if asked else ""
    return f"{plural(len(made.made), 'change')} of what serves. {by_hand}{began}"


def _open(read: Gathered) -> list[str]:
    if not read.open_alarms:
        return []
    return [f"An alarm is open now for {listed(list(read.open_alarms))}: the top tier serves."]


def _share_or_unknown(savings: Savings) -> str:
    return percent(savings.saved.estimate)


def _saved_note(savings: Savings) -> str:
    if savings.saved.estimate is None:
        return "too few requests were audited"
    low, high = percent(savings.saved.low), percent(savings.saved.high)
    return f"95% interval: {low} to {high}; {usd(savings.saved_usd.estimate)} of {usd(savings.top.estimate)}"


def _paid_note(savings: Savings) -> str:
    beside = savings.spent.usd - savings.spent.serving_usd
    lacks = "; what turns cost is unknown" if savings.spent.turns_usd is None else ""
    return f"{usd(beside)} of it for audits, judging and lessons{lacks}"


def _kept_of(states: list[Kept]) -> str:
    known = [state for state in states if state not in (Kept.UNKNOWN, Kept.NO_TARGET)]
    with_target = len(states) - states.count(Kept.NO_TARGET)
    return f"{states.count(Kept.YES)} of {plural(with_target, 'task')}" if known else UNKNOWN


def _kept_note(states: list[Kept]) -> str:
    others = [state for state in Kept if state is not Kept.YES]
    said = [f"{states.count(state)} {state}" for state in others if states.count(state)]
    return ", ".join(said) or "on audits"
