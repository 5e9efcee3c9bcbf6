"""What every tier says to every item: computed once for each model, in batches, and looked up from then on.

Also what a tier says once it has silently become worse: so many right answers are wrong, and as sure as before.
Latencies of students are drawn from those of single queries, as measured before the pilot, in processor time so that
other work on the machine plays no part; the top tier's are a model.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from routenlp.backends.counted import counted
from routenlp.backends.recorded import modelled_latency_s
from routenlp.backends.student import registry
from routenlp.bench.loop.bulk import answer_all
from routenlp.bench.loop.hashed_texts import HashedTexts
from routenlp.bench.pilot.catalogue import Catalogue
from routenlp.bench.six_tasks.replayed import Models
from routenlp.contracts import Encoder, Student
from routenlp.draws import draw
from routenlp.grading.metrics import METRICS
from routenlp.portfolio.tiers import Portfolio
from routenlp.settings import Settings
from routenlp.types import Answer, FloatArray, Parts, Prediction, Query

TIMED = 40
"""Single queries a tier and task whose latency is measured."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What of the outside world bears on an answer."""

    worse: float = 0.0
    """Points of quality that the dearest cheap tier of each task has lost."""
    price: float = 1.0
    """Of the top tier, over its price at the beginning."""


@dataclass(slots=True, eq=False)
class AnswerBook:
    """What is said, by whoever may be asked."""

    catalogue: Catalogue
    portfolio: Portfolio
    settings: Settings
    encoders: Sequence[Encoder]
    """With a memory."""
    bare: Sequence[Encoder]
    """The same without one: what a query that comes for the first time has to wait for."""
    models: Models = field(default_factory=dict)
    """Where one was recorded it answers, in place of people's labels on top, and of a student elsewhere."""
    seconds: float = 0.0
    """That answering took."""
    _texts: HashedTexts = field(default_factory=HashedTexts)
    _said: dict[tuple[str, str, str], dict[int, Prediction]] = field(default_factory=dict)
    _latency: dict[tuple[str, str], FloatArray] = field(default_factory=dict)
    _answers: dict[tuple[object, ...], dict[int, Answer]] = field(default_factory=dict)
    _quality: dict[tuple[str, str], float] = field(default_factory=dict)
    _named: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Knows every item by its query's id, whatever task it is served as."""
        self._named = {item.example.query.id: i for i, item in enumerate(self.catalogue.items)}

    def item_named(self, query_id: str) -> int:
        """Its position in the catalogue; raises `KeyError` where there is none."""
        return self._named[query_id]

    def said(self, tier: str, task: str, fingerprint: str, query_id: str) -> Prediction:
        """What this model said of the query, in good health."""
        return self._said[tier, task, fingerprint][self._named[query_id]]

    def learn(self, students: Mapping[str, Mapping[str, Parts]], models: Mapping[str, Mapping[str, str]]) -> None:
        """Has new models answer everything of their task."""
        begun_s = time.perf_counter()
        for tier, by_task in students.items():
            for task, parts in by_task.items():
                key = (tier, task, models[tier][task])
                if key not in self._said:
                    self._said[key] = self._predict(tier, task, parts)
        self.seconds += time.perf_counter() - begun_s

    def knows(self, tier: str, task: str, fingerprint: str) -> bool:
        """Whether the tier has an answer to the task: a recorded one, or by a model that `learn` was told of."""
        return (tier, task) in self.models or (tier, task, fingerprint) in self._said

    def answer(self, tier: str, item: int, fingerprint: str, moment: Moment) -> Answer:
        """`fingerprint`: of the tier's model; any for the top tier."""
        task = self.catalogue.items[item].task
        key = (tier, task, fingerprint, moment)
        if key not in self._answers:
            self._answers[key] = {}
        known = self._answers[key]
        if item not in known:
            known[item] = self._make(tier, item, fingerprint, moment)
        return known[item]

    def quality(self, item: int, text: str) -> float:
        """By the task's metric, against the row's reference."""
        example = self.catalogue.items[item].example
        key = (example.query.id, text)
        if key not in self._quality:
            given = self.settings.tasks.get(example.query.task)
            grade = METRICS[given.metric if given is not None else "accuracy"].quality
            self._quality[key] = grade(text, example.reference)
        return self._quality[key]

    def _make(self, tier: str, item: int, fingerprint: str, moment: Moment) -> Answer:
        answer = self._in_good_health(tier, item, fingerprint)
        if tier == self.portfolio.top:
            return replace(answer, cost_usd=answer.cost_usd * moment.price)
        task = self.catalogue.items[item].task
        if moment.worse and tier == self._dearest_cheap(task) and self._turns_wrong(answer, item, moment.worse):
            return replace(answer, text=self._wrong(answer, item))
        return answer

    def _in_good_health(self, tier: str, item: int, fingerprint: str) -> Answer:
        example = self.catalogue.items[item].example
        query, model = example.query, self.models.get((tier, example.query.task))
        if model is not None:
            return model.answer(query)
        priced = self.portfolio.tiers[self.portfolio.position(tier)]
        if tier == self.portfolio.top:
            return counted(priced, query, Prediction(example.reference, None), modelled_latency_s(query.id))
        pool = self._latency[tier, query.task]
        latency_s = float(pool[int(draw("latency", tier, query.id) * len(pool))])
        return counted(priced, query, self._said[tier, query.task, fingerprint][item], latency_s)

    def _dearest_cheap(self, task: str) -> str | None:
        """The tier that episodes make worse."""
        *_, cheap = (None, *self.settings.tiers_of(task)[:-1])
        return cheap

    def _turns_wrong(self, answer: Answer, item: int, points: float) -> bool:
        """With a chance that costs `points` on average over all answers; nested, as points rise."""
        query = self.catalogue.items[item].example.query
        mean = self._mean_quality(answer.tier, query.task)
        right = self.quality(item, answer.text) > 0.0
        return right and draw("worse", answer.tier, query.id) < points / max(mean, points)

    def _wrong(self, answer: Answer, item: int) -> str:
        query = self.catalogue.items[item].example.query
        metric = self.settings.tasks[query.task].metric
        if metric != "accuracy":
            return "[]" if metric == "entity_f1" else "-"
        labels = sorted({self.catalogue.items[i].example.reference for i in self.catalogue.plain[query.task]})
        others = [label for label in labels if label != answer.text]
        return str(others[int(draw("instead", query.id) * len(others))])

    def _mean_quality(self, tier: str, task: str) -> float:
        """Over the task's plain items, of the newest model."""
        newest = next((mark for (t, name, mark) in reversed(self._said) if (t, name) == (tier, task)), "")
        key = (f"mean\0{tier}\0{task}", newest)
        if key not in self._quality:
            plain = [int(i) for i in self.catalogue.plain[task]]
            said = [self._in_good_health(tier, i, newest).text for i in plain]
            self._quality[key] = float(np.mean([self.quality(i, text) for i, text in zip(plain, said, strict=True)]))
        return self._quality[key]

    def _predict(self, tier: str, task: str, parts: Parts) -> dict[int, Prediction]:
        mine = [int(i) for i in self.catalogue.of_task(task)]
        queries = [self.catalogue.items[i].example.query for i in mine]
        if (tier, task) not in self._latency:
            first_seen = registry.load(parts, list(self.bare))
            self._latency[tier, task] = _time_singles(first_seen, queries[:: max(1, len(queries) // TIMED)][:TIMED])
        student = registry.load(parts, list(self.encoders))
        return dict(zip(mine, answer_all(student, queries, self._texts), strict=True))


def _time_singles(student: Student, queries: Sequence[Query]) -> FloatArray:
    took = []
    for query in queries:
        begun_s = time.process_time()
        student.predict([query])
        took.append(time.process_time() - begun_s)
    return np.array(took)
