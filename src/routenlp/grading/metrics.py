"""The three metrics that tasks are graded by, and the registry that settings name them from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from routenlp.contracts import Metric
from routenlp.errors import SettingsError
from routenlp.grading.entities import overlap
from routenlp.grading.rouge import rouge_l


class Accuracy:
    """Exact match of labels: 1.0 or 0.0. White space around a label does not count."""

    name = "accuracy"

    def quality(self, answer: str, reference: str) -> float:
        """1.0 when both are the same label."""
        return float(answer.strip() == reference.strip())

    def corpus(self, answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """`accuracy` and `macro_f1`: the mean F1 of the labels in `references`. Empty for no rows."""
        pairs = [(a.strip(), r.strip()) for a, r in zip(answers, references, strict=True)]
        if not pairs:
            return {}
        given, expected = Counter(a for a, _ in pairs), Counter(r for _, r in pairs)
        right = Counter(r for a, r in pairs if a == r)
        f1 = [2.0 * right[label] / (given[label] + count) for label, count in expected.items()]
        return {"accuracy": right.total() / len(pairs), "macro_f1": sum(f1) / len(f1)}


class EntityF1:
    """F1 over the multiset of (type, text). An answer that is not a list of entities has quality 0."""

    name = "entity_f1"

    def quality(self, answer: str, reference: str) -> float:
        """F1 of one answer; 1.0 when nothing was expected and nothing found."""
        return overlap(answer, reference).f1

    def corpus(self, answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """`micro_f1`: F1 of the counts summed over all answers. Empty for no rows."""
        overlaps = [overlap(a, r) for a, r in zip(answers, references, strict=True)]
        if not overlaps:
            return {}
        shared = sum(o.shared for o in overlaps)
        total = sum(o.answered + o.expected for o in overlaps)
        return {"micro_f1": 2.0 * shared / total if total else 1.0}


class RougeL:
    """ROUGE-L F-measure of two texts; 0 when either has no word."""

    name = "rouge_l"

    def quality(self, answer: str, reference: str) -> float:
        """F-measure over the longest common subsequence of words."""
        return rouge_l(answer, reference)

    def corpus(self, answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """`rouge_l`: the mean over answers. Empty for no rows."""
        scores = [rouge_l(a, r) for a, r in zip(answers, references, strict=True)]
        return {"rouge_l": sum(scores) / len(scores)} if scores else {}


METRICS: Mapping[str, Metric] = MappingProxyType({m.name: m for m in (Accuracy(), EntityF1(), RougeL())})


def metric(name: str) -> Metric:
    """The metric of that name. Raises `SettingsError` that lists the known names."""
    try:
        return METRICS[name]
    except KeyError:
        raise SettingsError("metric", f"{name!r} is not known", f"Use one of {', '.join(sorted(METRICS))}") from None
