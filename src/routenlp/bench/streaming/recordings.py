"""Recorded generations of a cheap and a top tier, as streams: what `routenlp bench record` left, by task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from routenlp.backends.generations import Generation, read_generations
from routenlp.bench.streaming.worlds import CHEAP_USD, TOP_USD, top_latency_s
from routenlp.contracts import Scorer
from routenlp.errors import CorruptData
from routenlp.grading.metrics import metric
from routenlp.replay.folds import Folds
from routenlp.replay.streaming.rows import Streams, check_streams, running_scores, sentence_tokens
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.types import Example, Query

FOLDER = "recordings"
TASKS = ("cs_response", "fin_summarisation")
CHEAP, TOP = "smollm2", "tuned"
METRIC = "rouge_l"


@dataclass(frozen=True, slots=True)
class Speed:
    """Of the cheap tier, as it was measured."""

    fixed_s: float
    """Of a query, beside reading and writing."""
    read_s: float
    """For each token of the query."""
    written_s: float
    """For each token of the answer."""


ENDPOINT = Speed(0.05, 1.0 / 8_000.0, 1.0 / 50.0)
"""Assumed, of a model of some billions of parameters on a card: there reading a token takes a hundredth of writing one,
where on processor cores it takes a tenth, and a long prompt all of the time to the first token."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskRecordings:
    """One task's."""

    cheap: Mapping[str, Generation]
    """By query id."""
    top: Mapping[str, Generation]
    taught: frozenset[str]
    """Queries that the top tier learned from in any way: no row of them judges it."""
    speed: Speed | None
    """Of the cheap tier, as it was measured; None where it was not."""


def recorded_tasks(folder: Path) -> tuple[str, ...]:
    """Those that both tiers are recorded for."""
    return tuple(task for task in TASKS if all(_file(folder, task, tier).is_file() for tier in (CHEAP, TOP)))


def read_task(folder: Path, task: str) -> TaskRecordings:
    """Raises `MissingData`, and `CorruptData` for a file that is not what `bench record` writes."""
    cheap, top = ({one.id: one for one in read_generations(_file(folder, task, tier))} for tier in (CHEAP, TOP))
    taught = _json(folder / task / "taught.json")
    learned = frozenset(str(i) for role in ("generator", "reranker") for i in taught.get(role, []))
    return TaskRecordings(cheap, top, learned, _speed(folder / "manifest.json"))


def at_speeds(recordings: TaskRecordings) -> dict[str, TaskRecordings]:
    """The same answers at the speed that was measured, where it was, and at an endpoint's; by how that is called."""
    measured = {} if recordings.speed is None else {"as measured": recordings}
    return {**measured, "at an endpoint's speed": replace(recordings, speed=ENDPOINT)}


def sources(recordings: TaskRecordings, folds: Folds, *, seed: int) -> tuple[Streams, Streams, int]:
    """Training rows; all rows of the other folds, which are the population; and the calibration fold's units.

    Rows that are not recorded, or that the top tier was taught with, are left out.
    """
    rng = np.random.default_rng(seed)
    rest = (*folds.calibrate.examples, *folds.gate.examples, *folds.test.examples)
    train, pool = (as_streams(recordings, _known(recordings, rows), rng) for rows in (folds.train.examples, rest))
    calibrate = _known(recordings, folds.calibrate.examples)
    return train, pool, len({example.group for example in calibrate})


def as_streams(
    recordings: TaskRecordings,
    examples: Sequence[Example],
    rng: np.random.Generator,
    scorer: Scorer | None = None,
) -> Streams:
    """Graded against the reference. The top tier's latency is a model's: it answers with the best of several, whole."""
    cheap = [recordings.cheap[example.query.id] for example in examples]
    top = [recordings.top[example.query.id] for example in examples]
    grade, speed = metric(METRIC).quality, recordings.speed or ENDPOINT
    input_tokens = np.array([one.input_tokens for one in cheap], dtype=np.float64)
    member: dict[str, int] = {}
    return check_streams(
        Streams(
            running=running_scores(CHEAP, cheap, scorer or TokenUncertainty()),
            tokens=np.array([len(one.token_probs) for one in cheap], dtype=np.int64),
            sentence=sentence_tokens(cheap),
            quality=np.array([grade(o.answer, e.reference) for o, e in zip(cheap, examples, strict=True)]),
            top_quality=np.array([grade(o.answer, e.reference) for o, e in zip(top, examples, strict=True)]),
            input_usd=CHEAP_USD * input_tokens,
            token_usd=CHEAP_USD,
            output_tokens=np.array([one.output_tokens for one in cheap], dtype=np.int64),
            top_usd=np.array([TOP_USD * (one.input_tokens + one.output_tokens) for one in top]),
            prefill_s=speed.fixed_s + input_tokens * speed.read_s,
            token_s=speed.written_s,
            top_first_s=top_latency_s(len(examples), rng),
            groups=np.array([member.setdefault(e.group, len(member)) for e in examples], dtype=np.int64),
        )
    )


def _known(recordings: TaskRecordings, examples: Sequence[Example]) -> list[Example]:
    def fit(query: Query) -> bool:
        return query.id in recordings.cheap and query.id in recordings.top and query.id not in recordings.taught

    return [example for example in examples if fit(example.query)]


def _file(folder: Path, task: str, tier: str) -> Path:
    return folder / task / f"{tier}.jsonl.gz"


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise CorruptData(str(path), f"cannot be read ({exc})", "Record again: routenlp bench record.") from exc
    if not isinstance(found, dict):
        raise CorruptData(str(path), "is no mapping", "Record again: routenlp bench record.")
    return found


def _speed(manifest: Path) -> Speed | None:
    latency = _json(manifest).get("latency")
    if latency is None:
        return None
    try:
        return Speed(float(latency["fixed_s"]), float(latency["read_s"]), float(latency["written_s"]))
    except (KeyError, TypeError, ValueError) as exc:
        raise CorruptData(str(manifest), f"lacks a latency ({exc})", "Record again: routenlp bench record.") from exc
