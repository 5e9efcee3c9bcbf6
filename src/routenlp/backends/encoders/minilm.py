"""all-MiniLM-L6-v2 on onnxruntime: sentence vectors and word vectors.

Dynamic int8 takes its scale from the whole tensor that enters a product, so in a batch a row would depend on
its neighbours and on their padding. Therefore one row is one run on one thread, and many rows are many runs
on a small pool: the vector of a text is the same alone, in bulk, and in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from routenlp.backends.weights import GRAPH_FILE, TOKENIZER_FILE, verify
from routenlp.errors import SettingsError
from routenlp.types import Vectors

_HIDDEN = 384
_MAX_TOKENS = 256
_MAX_CHARS = 16_384
"""Longer texts are cut to head and tail before they are tokenised; far more than 256 tokens of any prose."""
_MAX_WORD_PIECES = 32
_CONTEXT_PIECES = 48
"""How far a window reaches beyond the words that it gives vectors for, on each side."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True)
class _Window:
    """Words first..last (exclusive) read in one run; vectors are kept for keep_first..keep_last."""

    first: int
    last: int
    keep_first: int
    keep_last: int


class MiniLM:
    """A `TokenEncoder`. Threads may share one instance.

    Sentence vectors are the mean over tokens of the last layer, of length 1: (n, 384). With `rich=True` they
    are three blocks, each of length 1, side by side: mean of the last layer, mean of the middle layer and
    maximum of the last layer: (n, 1152). Texts over 256 tokens are cut to their head and tail, half each.
    """

    def __init__(self, session: Any, tokenizer: Any, *, graph_hash: str, rich: bool, threads: int) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._graph_hash = graph_hash
        self._rich = rich
        self._threads = threads
        self._start, self._end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")

    @classmethod
    def load(cls, folder: str | Path, *, rich: bool = False, threads: int = 2) -> MiniLM:
        """Reads a folder made by `backends.weights.encoder_folder`, after checking its hashes.

        Raises `MissingData` or `CorruptData` (from `verify`), `SettingsError` without the extra `encoder`.
        """
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as exc:
            raise SettingsError("encoder", f"{exc.name} is not installed", "Install routenlp[encoder].") from exc
        folder = Path(folder)
        hashes = verify(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(folder / GRAPH_FILE), options, providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        graph_hash = hashlib.sha256((hashes[GRAPH_FILE] + hashes[TOKENIZER_FILE]).encode()).hexdigest()[:16]
        return cls(session, tokenizer, graph_hash=graph_hash, rich=rich, threads=threads)

    @property
    def name(self) -> str:
        """Hash of graph and tokenizer, pooling and cut."""
        return f"minilm/{self._graph_hash}/{'rich' if self._rich else 'mean'}/{_MAX_TOKENS}"

    @property
    def dim(self) -> int:
        """384, or 1152 when rich."""
        return 3 * _HIDDEN if self._rich else _HIDDEN

    def with_pooling(self, *, rich: bool) -> MiniLM:
        """The same model, not loaded again, with the other kind of sentence vector."""
        return MiniLM(self._session, self._tokenizer, graph_hash=self._graph_hash, rich=rich, threads=self._threads)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dim); each block has length 1. An empty text has a vector too."""
        rows = self._each(self._sentence, texts)
        return np.stack(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Vectors]:
        """For each sentence float32 of shape (len(words), 384): the mean of a word's tokens in the middle layer.

        The last layer was trained to be averaged over the sentence; the middle one tells words apart much better.

        A word without tokens (blank, control characters) has zeros. Long sentences are read in windows that
        overlap, so every word has a vector; of a word with over 32 tokens the first 32 count. Values have
        float16's precision, so that a cache may keep them in half the space without changing them.
        """
        return self._each(self._words, sentences)

    def encode_middle(self, texts: Sequence[str]) -> Vectors:
        """As `encode`, from the middle layer: (n, 384), the middle block of rich vectors."""
        rows = self._each(lambda text: _unit(self._run(self._ids(text), "middle")[0].mean(axis=0)), texts)
        return np.stack(rows) if rows else np.zeros((0, _HIDDEN), dtype=np.float32)

    @property
    def tokenizer_json(self) -> str:
        """The tokenizer without padding and truncation, for encoders that are distilled from this one."""
        return str(self._tokenizer.to_str())

    def _each(self, work: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
        if self._threads == 1 or len(items) < 2:
            return [work(item) for item in items]
        with ThreadPoolExecutor(max_workers=self._threads) as pool:
            return list(pool.map(work, items))

    def _run(self, ids: Sequence[int], *outputs: str) -> list[Vectors]:
        """Token vectors of each output, (len(ids), 384)."""
        results = self._session.run(list(outputs), {"input_ids": np.array([ids], dtype=np.int64)})
        return [result[0] for result in results]

    def _ids(self, text: str) -> list[int]:
        pieces = self._tokenizer.encode(_cut(well_formed(text)), add_special_tokens=False).ids
        room = _MAX_TOKENS - 2
        if len(pieces) > room:
            pieces = pieces[: room // 2] + pieces[-(room // 2) :]
        return [self._start, *pieces, self._end]

    def _sentence(self, text: str) -> Vectors:
        ids = self._ids(text)
        if not self._rich:
            (final,) = self._run(ids, "final")
            return _unit(final.mean(axis=0))
        final, middle = self._run(ids, "final", "middle")
        return np.concatenate([_unit(final.mean(axis=0)), _unit(middle.mean(axis=0)), _unit(final.max(axis=0))])

    def _words(self, words: Sequence[str]) -> Vectors:
        out = np.zeros((len(words), _HIDDEN), dtype=np.float32)
        encodings = self._tokenizer.encode_batch([_cut(well_formed(word)) for word in words], add_special_tokens=False)
        pieces = [encoding.ids[:_MAX_WORD_PIECES] for encoding in encodings]
        for window in _windows([len(ids) for ids in pieces], _MAX_TOKENS - 2, _CONTEXT_PIECES):
            ids = [self._start]
            for ids_of_word in pieces[window.first : window.last]:
                ids.extend(ids_of_word)
            (vectors,) = self._run([*ids, self._end], "middle")
            at = 1
            for word in range(window.first, window.last):
                end = at + len(pieces[word])
                if window.keep_first <= word < window.keep_last and end > at:
                    out[word] = vectors[at:end].mean(axis=0)
                at = end
        return out.astype(np.float16).astype(np.float32)


def well_formed(text: str) -> str:
    """`text` with lone surrogates replaced by U+FFFD and NULs by blanks, so that every tokenizer takes it."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", " ")


def _cut(text: str) -> str:
    if len(text) <= _MAX_CHARS:
        return text
    return text[: _MAX_CHARS // 2] + " " + text[-_MAX_CHARS // 2 :]


def _unit(vector: Vectors) -> Vectors:
    unit: Vectors = vector / np.maximum(np.sqrt(np.dot(vector, vector)), np.float32(1e-12))
    return unit


def _windows(lengths: Sequence[int], room: int, context: int) -> Iterator[_Window]:
    """Windows of at most `room` tokens that keep each word once. One window when everything fits."""
    if sum(lengths) <= room:
        yield _Window(0, len(lengths), 0, len(lengths))
        return
    keep_first = 0
    while keep_first < len(lengths):
        keep_last, used = keep_first, 0
        while keep_last < len(lengths) and used + lengths[keep_last] <= room - 2 * context:
            used += lengths[keep_last]
            keep_last += 1
        first, last = keep_first, keep_last
        before = after = 0
        while first > 0 and before + lengths[first - 1] <= context:
            first -= 1
            before += lengths[first]
        while last < len(lengths) and after + lengths[last] <= context:
            after += lengths[last]
            last += 1
        yield _Window(first, last, keep_first, keep_last)
        keep_first = keep_last
