"""Uncertainty from samples: how far several answers of one tier to one query are from being the same answer.

For models that give no token probabilities. The share of pairs that agree estimates the chance that two draws do
(unbiased, as a U-statistic); self-consistency (Wang et al. 2023, arXiv 2203.11171) uses the share of the commonest.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

_BLANKS = re.compile(r"\s+")
_ENDING = ".!?,;: "


def same_words(text: str) -> str:
    """The form in which answers are compared: case, white space and the last full stop do not count."""
    return _BLANKS.sub(" ", unicodedata.normalize("NFKC", text)).strip().strip(_ENDING).casefold()


def disagreement(samples: Sequence[str], *, form: Callable[[str], str] = same_words) -> float | None:
    """1 - share of agreeing pairs, in [0, 1]; None with fewer than two samples. Two blank answers agree."""
    n = len(samples)
    if n < 2:
        return None
    counts = Counter(form(sample) for sample in samples).values()
    return 1.0 - sum(count * (count - 1) for count in counts) / (n * (n - 1))


def minority(samples: Sequence[str], answer: str, *, form: Callable[[str], str] = same_words) -> float | None:
    """Share of the samples that differ from `answer`, in [0, 1]; None without samples."""
    if not samples:
        return None
    given = form(answer)
    return sum(form(sample) != given for sample in samples) / len(samples)
