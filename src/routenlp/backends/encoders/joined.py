"""Several encoders side by side: words as they stand, beside what a sentence encoder makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from routenlp.contracts import StoredEncoder
from routenlp.router.nested import joined, part_of
from routenlp.types import Parts, Vectors


class JoinedEncoder:
    """An `Encoder`: the vectors of all `encoders`, in their order. Threads may share it if they may share each."""

    KIND: ClassVar[str] = "encoder/joined"

    def __init__(self, encoders: Sequence[StoredEncoder]) -> None:
        """`encoders`: one at least."""
        self._encoders = tuple(encoders)

    @property
    def name(self) -> str:
        """All their names."""
        return " + ".join(encoder.name for encoder in self._encoders)

    @property
    def dim(self) -> int:
        """The sum of theirs."""
        return sum(encoder.dim for encoder in self._encoders)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dim)."""
        return np.concatenate([encoder.encode(texts) for encoder in self._encoders], axis=1)

    def parts(self) -> Parts:
        """Those of all, one inside the other."""
        inner = {str(at): encoder.parts() for at, encoder in enumerate(self._encoders)}
        return joined(self.KIND, {"encoders": len(self._encoders)}, inner)

    @classmethod
    def from_parts(cls, parts: Parts, read: Callable[[Parts], StoredEncoder]) -> JoinedEncoder:
        """The inverse of `parts`; `read` makes each. Raises `KeyError` where one is missing."""
        count: Any = parts.meta["encoders"]
        return cls([read(part_of(parts, str(at))) for at in range(int(count))])
