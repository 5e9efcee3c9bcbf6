"""The canary: a candidate serves 5, 25, then 100% of the conversations, and is taken back where harm is evident.

Who gets the candidate follows from a hash of the conversation, so that one conversation stays with one policy, and
whoever had it at 5% still has it at 25%. What is looked at are audits, on which every tier is run: they say for *each*
audited query what both policies would have answered, whichever served it, so all audits are evidence and 5% of them
is not all there is. `arms_paired` is for audits of which only the policy that served is known.

Three kinds of evidence grow with every audit, e-processes (`conformal.sequential`) and a detector, so that they may be
looked at after each one:

- harm: more than `margin` of quality is lost on a task, or more than `segment_margin` on a segment. Reached: back to
  the policy in force, at once. A candidate that harms none is taken back with probability at most `harm_level`, ever.
- a broken promise: what the candidate served does not keep what its certificates say, whatever the policy in force
  would have done (`loop.kept_promises`). Back at once, as for harm, and by mistake as seldom.
- proof: less than `margin` is lost, on every task that was changed. Without it the candidate never becomes active,
  however long nothing bad was seen: a candidate that loses `margin` or more becomes active with probability at most
  `proof_level`.

The gate's rows speak against the candidate here too, and never for it. Harm to a hundredth of the traffic takes a
thousand queries to be evident, and a few hundred to be suspected: while harm is suspected anywhere, the share stays
as it is, until more audits have said which it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.betting import Bounded
from routenlp.conformal.sequential import best, first_crossing, log_evidence
from routenlp.draws import draw
from routenlp.errors import SettingsError
from routenlp.loop.compared import Compared, first_of_each_group, no_rows
from routenlp.loop.kept_promises import Broken, ServedAudits, broken_promise
from routenlp.types import FloatArray


class Decision(StrEnum):
    """What to do now."""

    WAIT = "wait"
    ADVANCE = "advance"
    """To the next share."""
    PROMOTE = "promote"
    """The candidate becomes active."""
    ROLL_BACK = "roll back"
    """The candidate is rejected; the policy in force serves everything again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a canary goes."""

    shares: tuple[float, ...] = (0.05, 0.25, 1.0)
    audits: tuple[int, ...] = (50, 150, 300)
    """At each share, go on when so many audits have been seen since the canary began; all tasks together."""
    most_audits: int = 3000
    """Without a proof by then, the candidate is taken back."""
    margin: float = 0.03
    segment_margin: float = 0.10
    harm_level: float = 0.05
    proof_level: float = 0.10
    suspicion: float = 3.0
    """An e-value of harm, as it stands, that proves nothing and stops the candidate from going on."""
    suspect_from: int = 20
    """From so many queries on, an estimate beyond the margin does so too."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip((0.0, *self.shares), self.shares, strict=False))
        if not rising or not self.shares or self.shares[-1] != 1.0:
            raise SettingsError(
                "canary.shares", f"are {list(self.shares)}", "Let them rise to 1, such as 0.05, 0.25, 1."
            )
        if len(self.audits) != len(self.shares):
            raise SettingsError("canary.audits", f"are {list(self.audits)}", "Give one number for each share.")


@dataclass(frozen=True, slots=True)
class Stream:
    """Evidence from one task or one of its segments. Logarithms are of e-values, natural."""

    task: str
    segment: int | None
    """None: the whole task."""
    queries: int
    """The gate's, then audits; of each conversation the first."""
    audits: int
    lost: float | None
    """Mean quality lost over all of them, as estimated; None without one."""
    log_harm: float
    harm_at: int | None
    """After how many queries, the gate's among them, harm was evident."""
    suspected: bool
    """Whether harm is suspected as of now."""
    log_proof: float | None
    """None for segments, of which nothing need be proved."""
    audits_needed: int
    """More of them, until a candidate that loses nothing has its proof; at most the plan's `most_audits`."""


@dataclass(frozen=True, slots=True)
class CanaryVerdict:
    """What the audits say so far."""

    decision: Decision
    stage: int
    """Position in `plan.shares` at which it was taken."""
    share: float
    """From now on: 0 after a roll-back."""
    audits: int
    streams: tuple[Stream, ...]
    log_harm_wanted: float
    """Of a task's stream, to be harm."""
    log_proof_wanted: float
    audits_needed: int
    """How many more, on the task that lacks most, until a candidate that loses nothing has its proof; 0: it has."""
    plan: Plan
    reason: str
    broken: Broken | None = None
    """A promise of the candidate's that is not kept."""

    def evidence(self) -> dict[str, Any]:
        """JSON values only."""
        return {"kind": "canary", **asdict(self)}


def serves_candidate(salt: str, conversation: str, share: float) -> bool:
    """Whether the conversation gets the candidate: the same answer always, and for every larger share too.

    `salt`: the candidate's version, so that it is not always the same people who try things out.
    """
    return draw(salt, conversation) < share


def judge(
    tasks: Sequence[Compared],
    plan: Plan,
    *,
    stage: int,
    segments: int,
    gate: Sequence[Compared] = (),
    in_shadow: int = 0,
    served: Sequence[ServedAudits] = (),
) -> CanaryVerdict:
    """What to do at `plan.shares[stage]`, after the audits in `tasks`, each task's in the order in which they came.

    The same audits give the same verdict, so that nothing but audits need be kept. `segments`: how many there are in
    all tasks together, fixed before the first audit. `gate`: the rows that the candidate passed the gate on; each of
    their tasks needs its proof, also one that has no audit yet. Others, which the candidate did not change, need none,
    but all do where no gate looked.
    `in_shadow`: how many of the audits came before the canary: they are evidence, and shares do not rise by them.
    `served`: of each task that the candidate has a certificate of, the audits that it served.
    """
    before = {rows.task: rows for rows in gate}
    tasks = [*tasks, *(no_rows(name) for name in before if name not in {task.task for task in tasks})]
    parts = (2.0 * max(len(tasks), 1), 2.0 * max(segments, 1))
    wanted = tuple(math.log(part / plan.harm_level) for part in parts)
    both = [(task, before[task.task] if task.task in before else task.rows(slice(0, 0))) for task in tasks]
    streams = [_stream(task, early, None, plan, wanted[0]) for task, early in both]
    streams += [
        _stream(task, early, segment, plan, wanted[1])
        for task, early in both
        for segment in sorted({*task.named_segments, *early.named_segments})
    ]
    audits = sum(s.audits for s in streams if s.segment is None)
    unproved = [s.audits_needed for s in streams if not before or s.task in before]
    needed = max(unproved, default=plan.most_audits)
    broken = broken_promise(served, most_audits=plan.most_audits, level=plan.harm_level)
    decision, reason = _decide(streams, broken, plan, stage, max(audits - in_shadow, 0), needed)
    return CanaryVerdict(
        decision,
        stage,
        _share(decision, plan, stage),
        audits,
        tuple(streams),
        wanted[0],
        math.log(1.0 / plan.proof_level),
        needed,
        plan,
        reason,
        broken,
    )


def _share(decision: Decision, plan: Plan, stage: int) -> float:
    further = {Decision.ROLL_BACK: 0.0, Decision.ADVANCE: plan.shares[min(stage + 1, len(plan.shares) - 1)]}
    return further.get(decision, plan.shares[stage])


def arms_paired(candidate: NDArray[np.bool_], quality: FloatArray) -> FloatArray:
    """Quality lost, in [-1, 1], of the k-th audit of either arm against each other; shape (pairs,).

    `candidate`: which arm served each audit, `quality`: of the answer served; both in time order, shape (n,). The
    hash draws both arms from the same traffic, so under no harm a pair's mean is at most 0. Audits of the larger arm
    that have no partner yet wait.
    """
    arms = [np.asarray(quality, dtype=np.float64)[arm] for arm in (~candidate, candidate)]
    pairs = min(map(len, arms))
    return np.asarray(arms[0][:pairs] - arms[1][:pairs])


def log_harm(lost: FloatArray, margin: float) -> FloatArray:
    """ln of the evidence after each audit that more than `margin` is lost on average; `lost` in [-1, 1], shape (n,)."""
    return log_evidence(Bounded(margin - lost, margin - 1.0, margin + 1.0))


def log_proof(lost: FloatArray, margin: float) -> FloatArray:
    """ln of the evidence after each audit that less than `margin` is lost on average."""
    return log_evidence(Bounded(lost - margin, -1.0 - margin, 1.0 - margin))


def _stream(task: Compared, early: Compared, segment: int | None, plan: Plan, wanted: float) -> Stream:
    audits, seen = (_lost_of_each_group(rows, segment) for rows in (task, early))
    lost = np.concatenate([seen, audits])
    whole = segment is None
    margin = plan.margin if whole else plan.segment_margin
    harm = log_harm(lost, margin)
    return Stream(
        task.task,
        segment,
        len(lost),
        len(audits),
        float(lost.mean()) if len(lost) else None,
        best(harm),
        first_crossing(harm, math.exp(-wanted)),
        _suspected(lost, harm, margin, plan),
        best(log_proof(audits, plan.margin)) if whole else None,
        _needed(audits, plan) if whole else 0,
    )


def _suspected(lost: FloatArray, harm: FloatArray, margin: float, plan: Plan) -> bool:
    if not len(lost):
        return False
    beyond = len(lost) >= plan.suspect_from and float(lost.mean()) > margin
    return beyond or bool(harm[-1] >= math.log(plan.suspicion))


def _lost_of_each_group(rows: Compared, segment: int | None) -> FloatArray:
    own = rows if segment is None else rows.rows(rows.segments == segment)
    return own.rows(first_of_each_group(own.groups)).lost


def _needed(lost: FloatArray, plan: Plan) -> int:
    """The number of audits without a loss after which the proof is there; 0: it is."""
    more = np.zeros(plan.most_audits)
    crossed = first_crossing(log_proof(np.concatenate([lost, more]), plan.margin), plan.proof_level)
    return plan.most_audits if crossed is None else max(crossed - len(lost), 0)


def _decide(
    streams: Sequence[Stream], broken: Broken | None, plan: Plan, stage: int, audits: int, needed: int
) -> tuple[Decision, str]:
    harmed = [s for s in streams if s.harm_at is not None]
    if harmed:
        worst = max(harmed, key=lambda s: s.log_harm)
        margin = plan.margin if worst.segment is None else plan.segment_margin
        return Decision.ROLL_BACK, (
            f"Harm: on {_part(worst)} evidently more than {margin:g} of quality is lost, "
            f"after {worst.harm_at} queries ({worst.lost:.3f} seen)."
        )
    if broken is not None:
        return Decision.ROLL_BACK, (
            f"Broken promise: task {broken.task} does not keep its {broken.rule} at {broken.target:g} any more, "
            f"evident after {broken.audits} audits."
        )
    suspects = [s for s in streams if s.suspected]
    if audits >= plan.most_audits and (needed or suspects):
        return Decision.ROLL_BACK, f"After {audits} audits it is not proved that no task loses {plan.margin:g}."
    if audits < plan.audits[stage]:
        return Decision.WAIT, f"{audits} of {plan.audits[stage]} audits at this share, no harm seen."
    if suspects:
        return Decision.WAIT, f"Harm is suspected on {_part(suspects[0])}: the share stays as it is."
    if stage < len(plan.shares) - 1:
        return Decision.ADVANCE, f"{audits} audits without evidence of harm: on to {plan.shares[stage + 1]:.0%}."
    if needed:
        return Decision.WAIT, f"No harm seen; {needed} more audits without a loss until no harm is proved."
    return Decision.PROMOTE, f"Proved on {audits} audits that no task loses {plan.margin:g} of quality."


def _part(stream: Stream) -> str:
    return f"task {stream.task}" + ("" if stream.segment is None else f", segment {stream.segment}")
