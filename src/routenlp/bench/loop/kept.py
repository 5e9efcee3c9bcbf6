"""Points on disk, one file an arm, task and seed, so that a bench that was stopped goes on where it was.

A file is used again only for the same plan, rows and version of the package; anything else is measured anew.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from routenlp.bench.loop.course import Point
from routenlp.loop.economics import Gain


@dataclass(frozen=True, slots=True)
class Measured:
    """Points, and what measuring them took."""

    points: list[Point]
    seconds: float
    peak_rss_mb: float


_ARRAYS = ("cost_usd", "quality", "top_cost_usd")


def save(measured: Measured, path: Path, key: str) -> None:
    """Written whole or not at all. `key`: what the points were measured for."""
    points = measured.points
    meta = {
        "key": key,
        "seconds": measured.seconds,
        "peak_rss_mb": measured.peak_rss_mb,
        "points": [_meta(point) for point in points],
    }
    arrays = {f"{i}.{name}": getattr(point, name) for i, point in enumerate(points) for name in _ARRAYS}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.partial.npz")
    np.savez_compressed(temporary, meta=np.array(json.dumps(meta)), **arrays)
    temporary.replace(path)


def load(path: Path, key: str) -> Measured | None:
    """None where there is no such file, it cannot be read, or it was measured for something else."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            meta = json.loads(str(found["meta"]))
            if meta["key"] != key:
                return None
            points = [_point(m, {n: found[f"{i}.{n}"] for n in _ARRAYS}) for i, m in enumerate(meta["points"])]
            return Measured(points, float(meta["seconds"]), float(meta["peak_rss_mb"]))
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def _meta(point: Point) -> dict[str, object]:
    out: dict[str, object] = {
        name: getattr(point, name) for name in Point.__slots__ if name not in (*_ARRAYS, "gain", "tier_shares")
    }
    gain = point.gain
    return out | {
        "tier_shares": list(point.tier_shares),
        "gain": None if gain is None else [gain.estimate, gain.low],
    }


def _point(meta: dict[str, Any], arrays: dict[str, Any]) -> Point:
    gain = meta.pop("gain")
    shares = tuple(float(s) for s in meta.pop("tier_shares"))
    return Point(**meta, **arrays, tier_shares=shares, gain=None if gain is None else Gain(*map(float, gain)))
