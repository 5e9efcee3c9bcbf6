"""Distils a static encoder from a sentence encoder, in two steps.

1. Model2Vec (Tulkens & van Dongen, 2024): every token's text goes through the teacher once; the vectors are
   cut to 256 columns and weighted by SIF (Arora et al., 2017), a / (a + p), with p from Zipf's law over the
   vocabulary's order, which is that of frequency.
2. The token vectors move, by ridge regression, so that their means meet the teacher's vectors of training
   texts. Tokens that no training text has keep what step 1 gave them, after the same linear map as the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sparse

from routenlp.backends.encoders.static import StaticEncoder, load_tokenizer, token_ids
from routenlp.contracts import TokenEncoder
from routenlp.errors import TrainingError
from routenlp.types import FloatArray

_DIM = 256
_VOCABULARY = 20_000
_TEACHER_TOKENS = 200_000
"""What the teacher reads of the training texts, shortest first: the fewer tokens share a mean, the more it says."""
_MAX_TEACHER_TOKENS_A_TEXT = 256
_SIF = 1e-3
_MAP_RIDGE = 1e-3
_TOKEN_RIDGE = 0.03
_STEPS = 20
"""Of conjugate gradients; stopping early is a mild ridge of its own."""

_CHUNK = 512
_TINY = 1e-30

Progress = Callable[[int, int], None]
"""Told (rows encoded, rows in all)."""


def _silent(_done: int, _total: int) -> None:
    """No progress is shown."""


def distil(teacher: TokenEncoder, texts: Sequence[str], *, progress: Progress = _silent) -> StaticEncoder:
    """A static encoder of `teacher` for texts like `texts`: 256 columns, at most 20,000 tokens, 11 MB.

    Give texts of the training fold only. Deterministic. Raises `TrainingError` when no text has a token.
    """
    tokenizer_json = teacher.tokenizer_json
    tokenizer = load_tokenizer(tokenizer_json)
    ids_of = [token_ids(tokenizer, text) for text in texts]
    taught = _affordable([len(ids) for ids in ids_of])
    if not taught:
        raise TrainingError("static encoder", f"none of {len(texts)} texts has a token", "Give training texts.")
    surface = {at: word for word, at in tokenizer.get_vocab().items()}
    vocabulary = _vocabulary(ids_of, surface)
    read = [surface[at].removeprefix("##") for at in vocabulary] + [texts[row] for row in taught]
    vectors = _encode(teacher, read, progress)
    of_tokens, of_texts = vectors[: len(vocabulary)], vectors[len(vocabulary) :]
    start = _project(of_tokens - of_tokens.mean(axis=0), _axes(of_tokens)) * _sif_weights(vocabulary)[:, None]
    means = _averaging([ids_of[row] for row in taught], vocabulary)
    moved = _meet(means, start, _project(of_texts, _axes(of_texts)))
    return StaticEncoder(tokenizer_json, np.array(vocabulary, dtype=np.int32), moved.astype(np.float16))


def _affordable(lengths: Sequence[int]) -> list[int]:
    """Rows of the shortest texts that together stay within the teacher's budget; at least one if any has a token."""
    rows = sorted((row for row, length in enumerate(lengths) if length > 0), key=lambda row: lengths[row])
    cost = np.cumsum([min(lengths[row], _MAX_TEACHER_TOKENS_A_TEXT) for row in rows])
    return rows[: max(1, int(np.searchsorted(cost, _TEACHER_TOKENS, side="right")))]


def _vocabulary(ids_of: Sequence[Sequence[int]], surface: Mapping[int, str]) -> list[int]:
    """Ids, ascending: the tokens of the texts, most frequent first, then the tokenizer's most frequent whole words."""
    counts = Counter(at for ids in ids_of for at in ids)
    seen = sorted(counts, key=lambda at: (-counts[at], at))
    unseen = [at for at in sorted(surface) if at not in counts and surface[at].isalpha()]
    return sorted((seen + unseen)[:_VOCABULARY])


def _encode(teacher: TokenEncoder, texts: Sequence[str], progress: Progress) -> FloatArray:
    """In chunks, so that progress is told."""
    chunks = []
    for start in range(0, len(texts), _CHUNK):
        chunks.append(teacher.encode(texts[start : start + _CHUNK]))
        progress(min(start + _CHUNK, len(texts)), len(texts))
    return np.concatenate(chunks).astype(np.float64)


def _axes(rows: FloatArray) -> FloatArray:
    """The leading principal axes of `rows`, (d, at most 256); each with its largest component positive."""
    centred = rows - rows.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    leading = axes[:, ::-1][:, :_DIM]
    largest = leading[np.abs(leading).argmax(axis=0), np.arange(leading.shape[1])]
    signed: FloatArray = leading * np.sign(largest)
    return signed


def _project(rows: FloatArray, axes: FloatArray) -> FloatArray:
    projected: FloatArray = rows @ axes
    return projected


def _sif_weights(vocabulary: Sequence[int]) -> FloatArray:
    """a / (a + p) with p falling as 1 / rank, rank being the place in the tokenizer's vocabulary."""
    rank = np.array(vocabulary, dtype=np.float64) + 2.0
    p = 1.0 / (rank * (np.log(rank.max()) + np.euler_gamma))
    weights: FloatArray = _SIF / (_SIF + p)
    return weights


def _averaging(ids_of: Sequence[Sequence[int]], vocabulary: Sequence[int]) -> Any:
    """Sparse (texts, tokens): times token vectors, it gives the mean of each text's tokens."""
    column_of = {at: column for column, at in enumerate(vocabulary)}
    columns = [[column_of[at] for at in ids if at in column_of] for ids in ids_of]
    ends = np.cumsum([0, *(len(row) for row in columns)])
    shares = np.concatenate([np.full(len(row), 1.0 / max(1, len(row))) for row in columns])
    flat = np.concatenate([np.array(row, dtype=np.int64) for row in columns])
    return sparse.csr_matrix((shares, flat, ends), shape=(len(ids_of), len(vocabulary)))


def _meet(means: Any, start: FloatArray, targets: FloatArray) -> FloatArray:
    """Token vectors E near `start` M with `means` E near `targets`; M is the best linear map of `start`."""
    met = means @ start
    gram = met.T @ met
    ridge = _MAP_RIDGE * np.trace(gram) / len(gram) + np.finfo(np.float64).eps
    mapped = start @ np.linalg.solve(gram + ridge * np.eye(len(gram)), met.T @ targets)
    moved: FloatArray = mapped + _ridge(means, targets - means @ mapped)
    return moved


def _ridge(means: Any, rest: FloatArray) -> FloatArray:
    """argmin over D of |means D - rest|^2 + _TOKEN_RIDGE |D|^2, by conjugate gradients on every column at once."""
    solution = np.zeros((means.shape[1], rest.shape[1]))
    residual = means.T @ rest
    direction = residual.copy()
    size = (residual**2).sum(axis=0)
    for _ in range(_STEPS):
        image = means.T @ (means @ direction) + _TOKEN_RIDGE * direction
        step = size / np.maximum((direction * image).sum(axis=0), _TINY)
        solution += step * direction
        residual -= step * image
        before, size = size, (residual**2).sum(axis=0)
        direction = residual + size / np.maximum(before, _TINY) * direction
    return solution
