"""One task as it was recorded, from the folders: what lessons are chosen among."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from routenlp.backends.generations import read_generations
from routenlp.bench.record.asked import ROWS, SMOLLM2, TUNED, read_asked
from routenlp.bench.record.vectors import read_vectors
from routenlp.bench.seqkd.lessons import Scene
from routenlp.grading.rouge import rouge_l


def read_scene(work: Path, recordings: Path, task: str, handled_at: float) -> tuple[Scene, Mapping[str, str]]:
    """Recorded rows, graded, in the order of `work`; and the teacher's answers by id."""
    folder = recordings / task
    said, taught = (
        {g.id: g.answer for g in read_generations(folder / f"{tier}.jsonl.gz")} for tier in (SMOLLM2, TUNED)
    )
    rows = [row for row in read_asked(work / task / ROWS) if row.id in said]
    vectors = read_vectors(work / task, [row.id for row in rows])
    quality, teacher = (np.array([rouge_l(of[row.id], row.reference) for row in rows]) for of in (said, taught))
    return Scene(task, handled_at, rows, quality, teacher, vectors), taught
