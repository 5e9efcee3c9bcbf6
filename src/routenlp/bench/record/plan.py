"""All that is fixed before anything is recorded: prompts aside, every setting that an answer depends on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from routenlp.bench.record.generator import Way
from routenlp.training.distil.language_model import Tuning

SAMPLES, TEMPERATURE = 8, 0.7
TASKS = ("cs_response", "fin_summarisation")


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """How one task is recorded."""

    task: str
    tuning: Tuning
    distilling: Tuning
    """How the prompted model learns its lessons."""
    most_tokens: int
    """Of an answer; a tuning's own bound is on a whole conversation."""
    samples: int = SAMPLES

    @property
    def likeliest(self) -> Way:
        """The prompted model's one answer."""
        return Way((0.0,), self.most_tokens)

    @property
    def sampled(self) -> Way:
        """The tuned model's candidates: the likeliest, then draws."""
        return Way((0.0, *[TEMPERATURE] * self.samples), self.most_tokens)

    def quick(self) -> TaskPlan:
        """So small that it runs through in minutes on a CPU: what comes out proves nothing."""
        tuning, distilling = (replace(of, rank=4, epochs=1.0, batch=4) for of in (self.tuning, self.distilling))
        return replace(self, tuning=tuning, distilling=distilling, most_tokens=24, samples=2)


PLANS = {
    "cs_response": TaskPlan(
        "cs_response",
        Tuning(rank=64, epochs=3.0, learning_rate=5e-4, batch=16, most_tokens=2_048),
        Tuning(rank=16, epochs=3.0, learning_rate=5e-4, batch=16, most_tokens=2_048),
        most_tokens=80,
    ),
    "fin_summarisation": TaskPlan(
        "fin_summarisation",
        Tuning(rank=64, epochs=5.0, learning_rate=5e-4, batch=8, most_tokens=4_096),
        Tuning(rank=16, epochs=5.0, learning_rate=5e-4, batch=8, most_tokens=4_096),
        most_tokens=192,
    ),
}
