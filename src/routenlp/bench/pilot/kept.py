"""The first system on disk, so that a pilot that was run before need not train again: `--keep FOLDER`.

It is used again only for the same rows, settings of tasks and version of the package; anything else is trained anew.

system/        tiers, router, policy, ladders, rows
first.npz      scores and right answers on the calibration rows, and the paper's alphas there
first.json     what it was trained for, and how long that took
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from routenlp import __version__
from routenlp.bench.pilot.models import texts
from routenlp.bench.six_tasks.replayed import Models
from routenlp.bench.six_tasks.workload import Workload
from routenlp.replay.calibrate import Setting
from routenlp.replay.folds import row_hash
from routenlp.replay.recorded import Recorded
from routenlp.settings import Settings
from routenlp.types import FloatArray

_ARRAYS, _FIGURES = "first.npz", "first.json"


@dataclass(frozen=True, slots=True, eq=False)
class FirstRows:
    """One task's calibration rows, as the paper's rule and ACI begin with them."""

    score: FloatArray
    """Shape (n, tiers of the portfolio); NaN where an answer could not be scored, and at tiers that may not answer."""
    right: NDArray[np.bool_]
    tuned: Sequence[float]
    """The paper's alphas, one a cheap tier, that cost least on these rows at the target."""
    published: Sequence[float]
    """The paper's own."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """All that training leaves."""

    first: Mapping[str, FirstRows]
    """By task."""
    seconds: float
    processor_s: float


def first_rows(tiers: Sequence[str], recorded: Recorded, swept: Setting, published: Setting) -> FirstRows:
    """`tiers`: of the portfolio, of which the task may use those that `recorded` has: others accept nothing."""
    at = [tiers.index(tier) for tier in recorded.tiers]
    score = np.full((recorded.n, len(tiers)), np.nan)
    right = np.zeros(score.shape, dtype=np.bool_)
    score[:, at], right[:, at] = recorded.score, recorded.handled
    alphas = [_over(len(tiers) - 1, at[:-1], [t.alpha for t in setting.thresholds]) for setting in (swept, published)]
    return FirstRows(score, right, *alphas)


def _over(n: int, at: Sequence[int], alphas: Sequence[float]) -> list[float]:
    """Of so many cheap tiers. At 1 nothing is accepted."""
    known = dict(zip(at, alphas, strict=True))
    return [known.get(k, 1.0) for k in range(n)]


def key_of(settings: Settings, workload: Workload, models: Models) -> str:
    """Of rows, tasks, package, and what recorded models say of the rows."""
    digest = hashlib.sha256(f"{__version__}\0{settings.seed}".encode())
    digest.update(msgspec.json.encode([settings.tasks, settings.portfolio]))
    for task, folds in workload.folds.items():
        digest.update(task.encode())
        for fold in (folds.train, folds.calibrate, folds.gate):
            digest.update("".join(row_hash(e) for e in fold.examples).encode())
            digest.update(msgspec.json.encode(texts(models, [e.query for e in fold.examples]), order="sorted"))
    return digest.hexdigest()


def save(kept: Kept, folder: Path, key: str) -> None:
    """Beside `system`; the figures are written last."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for at, task in enumerate(kept.first):
        one = kept.first[task]
        arrays |= {f"{at}.score": one.score, f"{at}.right": one.right}
        arrays |= {f"{at}.tuned": np.array(one.tuned), f"{at}.published": np.array(one.published)}
    np.savez_compressed(folder / _ARRAYS, allow_pickle=False, **arrays)
    figures = {"key": key, "tasks": list(kept.first), "seconds": kept.seconds, "processor_s": kept.processor_s}
    (folder / _FIGURES).write_text(json.dumps(figures), encoding="utf-8")


def load(folder: Path, key: str) -> Kept | None:
    """None where nothing is kept, or it was trained for something else."""
    try:
        found = json.loads((folder / _FIGURES).read_text(encoding="utf-8"))
        if found["key"] != key:
            return None
        with (folder / _ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            first = {
                task: FirstRows(
                    arrays[f"{at}.score"],
                    arrays[f"{at}.right"],
                    arrays[f"{at}.tuned"].tolist(),
                    arrays[f"{at}.published"].tolist(),
                )
                for at, task in enumerate(found["tasks"])
            }
        return Kept(first, float(found["seconds"]), float(found["processor_s"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
