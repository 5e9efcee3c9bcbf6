"""Vectors of the rows' queries, kept beside them, so that where no encoder lies failures can still be clustered."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from routenlp.errors import MissingData
from routenlp.types import Vectors

FILE = "vectors.npz"


def write_vectors(folder: Path, ids: Sequence[str], vectors: Vectors) -> None:
    """In half precision, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, ids=np.array(ids), vectors=vectors.astype(np.float16))
    temporary = folder / f".{FILE}.part"
    temporary.write_bytes(buffer.getvalue())
    temporary.replace(folder / FILE)


def read_vectors(folder: Path, ids: Sequence[str]) -> Vectors:
    """Of the rows named, float32 of shape (ids, d); zeros for rows that have none."""
    try:
        with np.load(folder / FILE, allow_pickle=False) as kept:
            known: Mapping[str, int] = {name: i for i, name in enumerate(kept["ids"].tolist())}
            vectors = kept["vectors"].astype(np.float32)
    except FileNotFoundError as exc:
        raise MissingData(str(folder / FILE), "is not there", "Run routenlp bench record first.") from exc
    out = np.zeros((len(ids), vectors.shape[1]), dtype=np.float32)
    for at, name in enumerate(ids):
        if name in known:
            out[at] = vectors[known[name]]
    return out
