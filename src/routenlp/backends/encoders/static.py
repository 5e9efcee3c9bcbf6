"""Static embeddings: a vector a token, averaged. A tenth of a millisecond a query, numpy and a tokenizer.

The router reads every query before any tier does, so its encoder must cost next to nothing. The table is
distilled from the sentence encoder by `training.static_encoder`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.encoders.minilm import well_formed
from routenlp.errors import ArtefactError, SettingsError
from routenlp.types import Parts, Vectors

_MAX_CHARS = 2_048
"""Longer texts are cut to head and tail, half each: what is read decides how long it takes."""


class StaticEncoder:
    """An `Encoder`: the mean of the vectors of a text's tokens, of length 1.

    A text without known tokens (empty, blank) has zeros. Threads may share one instance.
    """

    kind: ClassVar[str] = "static-encoder/1"

    def __init__(self, tokenizer_json: str, token_ids: NDArray[np.int32], vectors: NDArray[np.float16]) -> None:
        """`token_ids`: shape (v,), of the tokens that have a vector; `vectors`: shape (v, d), in that order."""
        self._tokenizer_json = tokenizer_json
        self._token_ids = token_ids
        self._vectors = vectors
        self._tokenizer = load_tokenizer(tokenizer_json)
        self._table = np.concatenate([vectors.astype(np.float32), np.zeros((1, vectors.shape[1]), dtype=np.float32)])
        self._row_of = np.full(self._tokenizer.get_vocab_size(), len(token_ids), dtype=np.int32)
        self._row_of[token_ids] = np.arange(len(token_ids), dtype=np.int32)
        digest = hashlib.sha256(tokenizer_json.encode())
        digest.update(token_ids.tobytes())
        digest.update(vectors.tobytes())
        self._hash = digest.hexdigest()[:16]

    @property
    def name(self) -> str:
        """Hash of the table and the tokenizer."""
        return f"static/{self._hash}/{_MAX_CHARS}"

    @property
    def dim(self) -> int:
        """Columns of the table."""
        return int(self._vectors.shape[1])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dim); rows of length 1, or 0 where no token is known."""
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            total = self._table[self._row_of[token_ids(self._tokenizer, text)]].sum(axis=0)
            length = float(np.sqrt(np.dot(total, total)))
            if length > 0.0:
                out[row] = total / np.float32(length)
        return out

    def parts(self) -> Parts:
        """The table as float16, and the tokenizer's JSON as bytes."""
        tokenizer = np.frombuffer(self._tokenizer_json.encode(), dtype=np.uint8)
        arrays: dict[str, NDArray[Any]] = {
            "token_ids": self._token_ids,
            "vectors": self._vectors,
            "tokenizer": tokenizer,
        }
        return Parts(self.kind, arrays, {"dim": self.dim})

    @classmethod
    def from_parts(cls, parts: Parts) -> StaticEncoder:
        """Raises `ArtefactError` when `parts` are not those of a static encoder."""
        remedy = "Train the router again."
        if parts.kind != cls.kind:
            raise ArtefactError("static encoder", f"kind is {parts.kind!r}, not {cls.kind!r}", remedy)
        try:
            token_ids, vectors = parts.arrays["token_ids"], parts.arrays["vectors"]
            tokenizer_json = parts.arrays["tokenizer"].tobytes().decode()
        except (KeyError, UnicodeDecodeError) as exc:
            raise ArtefactError("static encoder", f"incomplete ({exc})", remedy) from exc
        if vectors.ndim != 2 or token_ids.shape != vectors.shape[:1]:
            shapes = f"{token_ids.shape} ids for {vectors.shape} vectors"
            raise ArtefactError("static encoder", shapes, remedy)
        return cls(tokenizer_json, token_ids.astype(np.int32), vectors.astype(np.float16))


def load_tokenizer(tokenizer_json: str) -> Any:
    """A `tokenizers.Tokenizer`. `SettingsError` without the extra `encoder`, `ArtefactError` for other JSON."""
    try:
        from tokenizers import Tokenizer
    except ImportError as exc:
        raise SettingsError("encoder", "tokenizers is not installed", "Install routenlp[encoder].") from exc
    try:
        json.loads(tokenizer_json)
        tokenizer = Tokenizer.from_str(tokenizer_json)
    except Exception as exc:  # the library raises nothing narrower
        raise ArtefactError("tokenizer", f"cannot be read ({exc})", "Train the router again.") from exc
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def token_ids(tokenizer: Any, text: str) -> list[int]:
    """Ids of the tokens that a static encoder reads of `text`, in order, without special tokens."""
    if len(text) > _MAX_CHARS:
        text = text[: _MAX_CHARS // 2] + " " + text[-_MAX_CHARS // 2 :]
    ids: list[int] = tokenizer.encode(well_formed(text), add_special_tokens=False).ids
    return ids
