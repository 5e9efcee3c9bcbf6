"""Several encoders side by side: words as they stand, beside what a sentence encoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from routenlp.contracts import Encoder
from routenlp.types import Vectors


class JoinedEncoder:
    """An `Encoder`: the vectors of all `encoders`, in their order. Threads may share it if they may share each."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
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
