"""The vector of a transformer's first token, [CLS], as the paper's router reads it, on onnxruntime.

For any graph that `training.minilm_graph` builds: the published weights, or ones that the router's training moved.
One row is one run on one thread, so a text has the same vector alone and in bulk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from routenlp.backends.encoders.minilm import well_formed
from routenlp.backends.weights import GRAPH_FILE, TOKENIZER_FILE, verify
from routenlp.errors import SettingsError
from routenlp.types import Parts, Vectors

MAX_TOKENS = 256
_CHARS_PER_TOKEN = 64
"""Longer texts are cut to head and tail before they are tokenised."""

KIND = "encoder/cls_token"


class ClsToken:
    """An `Encoder`: float32 (n, width), the last layer's vector of the first token, as it comes. Threads may share."""

    def __init__(self, graph: bytes, tokenizer_json: str, *, max_tokens: int = MAX_TOKENS) -> None:
        """Raises `SettingsError` without the extra `encoder`."""
        try:
            import onnxruntime
        except ImportError as exc:
            raise SettingsError("encoder", f"{exc.name} is not installed", "Install routenlp[encoder].") from exc
        self.tokenizer = open_tokenizer(tokenizer_json)
        self._max_tokens = max_tokens
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        digest = hashlib.sha256(hashlib.sha256(graph).digest() + tokenizer_json.encode())
        self._name = f"cls/{digest.hexdigest()[:16]}/{max_tokens}"
        self._dim = len(self._run(token_ids(self.tokenizer, "", max_tokens)))

    @classmethod
    def load(cls, folder: Path, *, max_tokens: int = MAX_TOKENS) -> ClsToken:
        """Of a folder made by `backends.weights.encoder_folder`; raises `MissingData` or `CorruptData` (`verify`)."""
        verify(folder)
        tokenizer_json = (folder / TOKENIZER_FILE).read_text("utf-8")
        return cls((folder / GRAPH_FILE).read_bytes(), tokenizer_json, max_tokens=max_tokens)

    @classmethod
    def from_parts(cls, parts: Parts) -> ClsToken:
        """Of what `training.paper_network.export.encoder_parts` made."""
        graph, tokenizer = (np.asarray(parts.arrays[name]).tobytes() for name in ("graph", "tokenizer"))
        return cls(graph, tokenizer.decode("utf-8"), max_tokens=int(str(parts.meta["max_tokens"])))

    @property
    def name(self) -> str:
        """Hash of graph and tokenizer, and the cut."""
        return self._name

    @property
    def dim(self) -> int:
        """Width of the transformer."""
        return self._dim

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 (len(texts), dim)."""
        rows = [self._run(token_ids(self.tokenizer, text, self._max_tokens)) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def _run(self, ids: Sequence[int]) -> Vectors:
        (final,) = self._session.run(["final"], {"input_ids": np.array([ids], dtype=np.int64)})
        return np.asarray(final[0, 0], dtype=np.float32)


def open_tokenizer(tokenizer_json: str) -> Any:
    """The tokenizer, without padding and truncation. Raises `SettingsError` without the extra `encoder`."""
    try:
        from tokenizers import Tokenizer
    except ImportError as exc:
        raise SettingsError("encoder", f"{exc.name} is not installed", "Install routenlp[encoder].") from exc
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def token_ids(tokenizer: Any, text: str, max_tokens: int = MAX_TOKENS) -> list[int]:
    """[CLS], the text's tokens, [SEP]: at most `max_tokens`, of a longer text its head and tail, half each."""
    text = well_formed(text)
    room = max_tokens * _CHARS_PER_TOKEN
    if len(text) > room:
        text = text[: room // 2] + " " + text[-room // 2 :]
    pieces: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    room = max_tokens - 2
    if len(pieces) > room:
        pieces = pieces[: room - room // 2] + pieces[len(pieces) - room // 2 :]
    return [tokenizer.token_to_id("[CLS]"), *pieces, tokenizer.token_to_id("[SEP]")]
