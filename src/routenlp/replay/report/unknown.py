"""What the record does not say, in sentences: silence on it would be read as saying that all is well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from routenlp.conformal.groups import MIN_GROUPS
from routenlp.replay.report.quality import TaskQuality
from routenlp.replay.report.sampling import TaskSampling
from routenlp.replay.report.savings import Savings
from routenlp.replay.report.timeline import Timeline
from routenlp.store.sql.reported import Kept

FEW_A_SPAN = 5
"""Graded audits under which a day or week shows next to nothing."""


def not_known(
    savings: Savings,
    quality: Sequence[TaskQuality],
    sampled: Sequence[TaskSampling],
    line: Timeline,
    kept: Kept,
    *,
    promised: bool,
) -> Iterator[str]:
    """The largest first: money, quality, then what is not looked at by anybody."""
    yield from _of_money(savings)
    yield from _of_quality(quality, promised=promised)
    yield from _of_spans(line)
    yield from _of_record(sampled, kept)
    yield (
        "Quality in parts of a task (a language, a customer, a kind of question) is not tested here: a task can keep "
        "its target as a whole while a part of it does not. `routenlp policies show` has the parts that a gate saw."
    )
    yield "What the machines cost that this runs on, and people's time for labels, is not on record, and not counted."


def _of_money(savings: Savings) -> Iterator[str]:
    unknown = [t.task for t in savings.tasks if t.top.estimate is None]
    if unknown:
        yield (
            f"What was saved on {_listed(unknown)} is unknown: under {MIN_GROUPS} conversations were audited. "
            "It counts neither as saved nor as lost."
        )
    for outside in savings.outside:
        if outside.requests:
            yield (
                f"Of {outside.requests:,} requests it is not measured what the top tier would have cost: {outside.why}."
            )
    if savings.spent.turns_usd is None:
        yield "What the loop's turns paid for a teacher's answers is unknown: a turn left no plan."
    elif savings.spent.turns:
        yield "What the loop's turns paid for a teacher's answers is what their plans foresaw, not a bill."


def _of_quality(quality: Sequence[TaskQuality], *, promised: bool) -> Iterator[str]:
    if not promised:
        yield "Targets are unknown, for no settings were read: name them with --settings, and the store with them."
    if none := [q.task for q in quality if not q.graded]:
        yield f"Quality of {_listed(none)} is unknown: no audit has a grade that counts."
    if few := [f"{q.task} ({q.groups})" for q in quality if q.graded and q.groups < MIN_GROUPS]:
        yield f"Of {_listed(few)} too few conversations were graded for an interval: {MIN_GROUPS} are needed."
    if judged := [f"{q.task} ({q.judged:,})" for q in quality if q.judged]:
        yield (
            f"Audits of {_listed(judged)} were graded by a judge alone. A judge's word is no truth, and counts in no "
            "figure of quality here; a random part graded by people would let it count (`routenlp label`)."
        )
    if missing := [f"{q.task} ({sum(q.left_out.values()):,})" for q in quality if q.left_out]:
        yield (
            f"Audits without a grade that counts: {_listed(missing)}. All figures take them to be like the others; "
            "the table of quality says what they could change at worst."
        )


def _of_spans(line: Timeline) -> Iterator[str]:
    few = sum(span.audits < FEW_A_SPAN for span in line.spans)
    if few:
        unit = "days" if line.days_each == 1 else "weeks"
        yield f"On {few} of {len(line.spans)} {unit} with traffic under {FEW_A_SPAN} audits were graded."


def _of_record(sampled: Sequence[TaskSampling], kept: Kept) -> Iterator[str]:
    if kept.dropped:
        yield (
            f"{kept.dropped:,} records could not be stored, {kept.dropped_audits:,} of them audits: no figure here "
            "knows of them, and what they said is unknown."
        )
    if kept.shadowed:
        yield (
            f"A candidate was tried on {kept.shadowed:,} requests in the background; what cheap tiers were paid "
            "for that is not on record."
        )
    if sum(kept.feedback.values()):
        yield (
            f"Feedback is on record {sum(kept.feedback.values()):,} times, and no figure here uses it: people who "
            "write back are no random part of those who asked."
        )
    if off := [s.task for s in sampled if abs(s.drawn - s.expected) > 4.0 * max(s.expected_error, 0.5)]:
        yield (
            f"Of {_listed(off)} the number of audits is further from what their chances call for than chance explains: "
            "records are missing, or the draw was not the one on record."
        )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
