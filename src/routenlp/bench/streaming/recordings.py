"""Recorded generations of a cheap and a top tier, as streams: what `routenlp bench record` left, by task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from routenlp.bench.datasets.recordings import ENDPOINT, Recordings
from routenlp.bench.record.asked import DISTILLED, TUNED
from routenlp.bench.streaming.worlds import CHEAP_USD, TOP_USD, top_latency_s
from routenlp.contracts import Scorer
from routenlp.grading.metrics import metric
from routenlp.replay.folds import Folds
from routenlp.replay.streaming.rows import Streams, check_streams, running_scores, sentence_tokens
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.types import Example

TASKS = ("cs_response", "fin_summarisation")
CHEAP, TOP = DISTILLED, TUNED
METRIC = "rouge_l"


def at_speeds(recordings: Recordings) -> dict[str, Recordings]:
    """The same answers at the speed that was measured, where it was, and at an endpoint's; by how that is called."""
    measured = {} if recordings.speed is None else {"as measured": recordings}
    return {**measured, "at an endpoint's speed": replace(recordings, speed=ENDPOINT)}


def sources(recordings: Recordings, folds: Folds, *, seed: int) -> tuple[Streams, Streams, int]:
    """Rows that fix policies; all rows of the calibration and test folds, which are the population; and the
    calibration fold's units.

    What fixes policies is the start of the training fold and the gate fold: other training rows were answered by models
    of half of the lessons, which are weaker than the one that is served. Rows that are not recorded, or that the top
    tier was taught with, are left out.
    """
    rng = np.random.default_rng(seed)
    rest = (*folds.calibrate.examples, *folds.test.examples)
    task = folds.train.task
    start = [e for e in folds.train.examples if e.query.id in recordings.start[task]]
    fixing = (*start, *folds.gate.examples)
    train, pool, calibrate = (_known(recordings, task, rows) for rows in (fixing, rest, folds.calibrate.examples))
    groups = len({example.group for example in calibrate})
    return as_streams(recordings, task, train, rng), as_streams(recordings, task, pool, rng), groups


def as_streams(
    recordings: Recordings,
    task: str,
    examples: Sequence[Example],
    rng: np.random.Generator,
    scorer: Scorer | None = None,
) -> Streams:
    """Graded against the reference. The top tier's latency is a model's: it answers with the best of several, whole."""
    cheap, top = ([recordings.generations[tier][task][e.query.id] for e in examples] for tier in (CHEAP, TOP))
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
            prefill_s=np.array([speed.reading_s(one) for one in cheap]),
            token_s=speed.written_s,
            top_first_s=top_latency_s(len(examples), rng),
            groups=np.array([member.setdefault(e.group, len(member)) for e in examples], dtype=np.int64),
        )
    )


def _known(recordings: Recordings, task: str, examples: Sequence[Example]) -> list[Example]:
    said = [recordings.generations[tier][task] for tier in (CHEAP, TOP)]
    return [example for example in examples if all(example.query.id in by_id for by_id in said)]
