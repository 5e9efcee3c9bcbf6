"""Encoders that remember on disk: a text is encoded once for each model, whoever asks again.

One SQLite file in a folder, keyed by SHA-256 of (encoder's name, text). Rows are checked by CRC when they are
read; a damaged one is a miss, and a damaged file is thrown away. The cache never makes an encoder fail:
when the disk is full or the file stays locked, vectors are computed as if there were none.

Over `max_bytes` the rows written first are dropped first, a tenth of all at a time.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from routenlp.contracts import Encoder, TokenEncoder
from routenlp.types import Vectors

Progress = Callable[[int, int], None]
"""Told (rows done, rows in all) after every chunk."""

_CHUNK = 256
"""Rows a transaction: what a crash can lose."""
_CRC_BYTES = 4
_LOCK_WAIT_S = 30.0
_PRELUDE = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "CREATE TABLE IF NOT EXISTS vectors (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL)",
)


def _silent(_done: int, _total: int) -> None:
    """No progress is shown."""


class CachedEncoder:
    """An `Encoder` in front of another one. Same vectors to the bit, same name. Threads and processes may share."""

    def __init__(
        self, encoder: Encoder, folder: Path, *, max_bytes: int = 2 << 30, progress: Progress = _silent
    ) -> None:
        self._encoder = encoder
        self._file = _VectorFile(folder / "vectors.sqlite", max_bytes)
        self._progress = progress

    @property
    def name(self) -> str:
        """The wrapped encoder's."""
        return self._encoder.name

    @property
    def dim(self) -> int:
        """The wrapped encoder's."""
        return self._encoder.dim

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dim), from disk where it is known. Each distinct text is encoded once."""
        keys = [self._key("text", [text]) for text in texts]
        out = np.zeros((len(texts), self.dim), dtype=np.float32)

        def compute(rows: Sequence[int]) -> list[bytes]:
            vectors = np.asarray(self._encoder.encode([texts[row] for row in rows]), dtype=np.float32)
            return [vector.tobytes() for vector in vectors]

        sizes = [4 * self.dim] * len(texts)
        for row, value in self._values(keys, sizes, compute):
            out[row] = np.frombuffer(value, dtype=np.float32)
        return out

    def _key(self, kind: str, words: Sequence[str]) -> bytes:
        digest = hashlib.sha256(f"{kind}\0{self.name}\0".encode())
        for word in words:
            data = word.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little"))
            digest.update(data)
        return digest.digest()

    def _values(
        self, keys: Sequence[bytes], sizes: Sequence[int], compute: Callable[[Sequence[int]], list[bytes]]
    ) -> Iterator[tuple[int, bytes]]:
        """(row, value) of every row; `compute` makes the values of rows that the file lacks, and they are kept."""
        for start in range(0, len(keys), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(keys)))
            known = self._file.read([keys[row] for row in rows])
            missing = {keys[row]: row for row in rows if not _fits(known.get(keys[row]), sizes[row])}
            if missing:
                fresh = dict(zip(missing, compute(list(missing.values())), strict=True))
                self._file.write(fresh)
                known |= fresh
            for row in rows:
                yield row, known[keys[row]]
            self._progress(rows.stop, len(keys))


class CachedTokenEncoder(CachedEncoder):
    """A `TokenEncoder` in front of another one. Word vectors are rounded to float16, fresh ones too."""

    def __init__(
        self, encoder: TokenEncoder, folder: Path, *, max_bytes: int = 2 << 30, progress: Progress = _silent
    ) -> None:
        super().__init__(encoder, folder, max_bytes=max_bytes, progress=progress)
        self._words = encoder
        self._word_width: int | None = None

    @property
    def tokenizer_json(self) -> str:
        """The wrapped encoder's."""
        return self._words.tokenizer_json

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Vectors]:
        """For each list of words, float32 of shape (len(words), d) with float16's precision."""
        keys = [self._key("words", words) for words in sentences]
        width = self._width()

        def compute(rows: Sequence[int]) -> list[bytes]:
            vectors = self._words.encode_words([sentences[row] for row in rows])
            return [matrix.astype(np.float16).tobytes() for matrix in vectors]

        sizes = [2 * width * len(words) for words in sentences]
        return [
            np.frombuffer(value, dtype=np.float16).reshape(-1, width).astype(np.float32)
            for _, value in self._values(keys, sizes, compute)
        ]

    def _width(self) -> int:
        """Width of a word vector, which need not be that of a sentence vector; asked of the encoder once."""
        if self._word_width is None:
            self._word_width = int(self._words.encode_words([["a"]])[0].shape[1])
        return self._word_width


class _VectorFile:
    """Bytes by key in one SQLite file. A connection a call, so nothing is open in between."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def read(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Values of the keys that are known and undamaged."""
        found: dict[bytes, bytes] = {}
        with self._forgiving(), self._open() as connection:
            marks = ",".join("?" * len(keys))
            query = f"SELECT key, value FROM vectors WHERE key IN ({marks})"  # noqa: S608 - question marks only
            for key, checked in connection.execute(query, keys):
                value = _unchecked(checked)
                if value is not None:
                    found[key] = value
        return found

    def write(self, values: Mapping[bytes, bytes]) -> None:
        """Stores all or none, then drops the oldest rows if the file has grown too large."""
        with self._forgiving(), self._open() as connection, connection:
            connection.executemany(
                "INSERT OR REPLACE INTO vectors (key, value) VALUES (?, ?)",
                [(key, _checked(value)) for key, value in values.items()],
            )
            self._evict(connection)

    def _evict(self, connection: sqlite3.Connection) -> None:
        while _used_bytes(connection) > self._max_bytes:
            (rows,) = connection.execute("SELECT COUNT(*) FROM vectors").fetchone()
            if rows == 0:
                return
            oldest = "SELECT id FROM vectors ORDER BY id LIMIT ?"
            connection.execute(f"DELETE FROM vectors WHERE id IN ({oldest})", (rows // 10 + 1,))  # noqa: S608

    def _open(self) -> closing[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_LOCK_WAIT_S)
        connection.text_factory = bytes  # a damaged value may call itself text
        try:
            for statement in _PRELUDE:
                connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return closing(connection)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Swallows what SQLite raises: the caller goes on with what it has. A damaged file is deleted."""
        try:
            yield
        except (sqlite3.OperationalError, OSError):
            pass
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)


def _used_bytes(connection: sqlite3.Connection) -> int:
    pragmas = ("page_count", "freelist_count", "page_size")
    pages, free, size = (connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in pragmas)
    return int((pages - free) * size)


def _fits(value: bytes | None, size: int) -> bool:
    return value is not None and len(value) == size


def _checked(value: bytes) -> bytes:
    return zlib.crc32(value).to_bytes(_CRC_BYTES, "little") + value


def _unchecked(checked: object) -> bytes | None:
    """The value that `_checked` wrapped; None when it is damaged."""
    if not isinstance(checked, bytes) or len(checked) < _CRC_BYTES:
        return None
    value = checked[_CRC_BYTES:]
    return value if zlib.crc32(value).to_bytes(_CRC_BYTES, "little") == checked[:_CRC_BYTES] else None
