"""A judge, simulated: the quality by people's labels with errors of a stated rate, said as a judge would say it.

It reads the messages that the real grader sends, and replies in the form that the real grader reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routenlp.draws import draw

ERROR_RATE = 0.10
"""How often it takes a bad answer for a good one, and a good one for a bad one."""
SPREAD = 0.15
"""How far its grades scatter around what it takes the quality for, at the most."""
MODEL = "simulated-judge"
PRICE_USD_PER_MTOK = 100.0
"""The paper's second tier, $0.10 a thousand tokens. An audit takes four replies, each to all that was said and to a
rubric: at the third tier's $0.80 they would cost more than what they grade."""


@dataclass(frozen=True, slots=True)
class SimulatedJudge:
    """`lenient`: of the answers that it would have graded low, the share that it now likes."""

    lenient: float = 0.0

    def reply(self, shown: str, quality: Mapping[str, float]) -> str:
        """To the JSON that it was shown; `quality`: by answer, by people's labels."""
        said = json.loads(shown)
        grades = {which: round(10.0 * self.grade(said[which], quality[said[which]], shown), 1) for which in _WHICH}
        return json.dumps(grades)

    def grade(self, text: str, quality: float, key: str) -> float:
        """In [0, 1]."""
        wrong = draw("judge", "errs", key, text) < ERROR_RATE
        taken_for = 1.0 - quality if wrong else quality
        said = min(max(taken_for + SPREAD * (draw("judge", "scatters", key, text) - 0.5), 0.0), 1.0)
        likes = self.lenient > 0.0 and draw("judge", "likes", key, text) < self.lenient
        return max(said, 0.9) if likes else said


_WHICH = ("first", "second")


def shown_to(messages: Sequence[Mapping[str, str]]) -> str:
    """What the judge is to grade, of the messages that it was sent."""
    return messages[-1]["content"]
