"""ROUGE-L: F-measure over the longest common subsequence of words (Lin 2004), as `rouge-score` computes it.

Tokens are runs of lower-case letters and digits, unstemmed. The length of the longest common subsequence is
computed bit-parallel (Hyyrö 2004): one Python integer holds a whole row of the dynamic programme.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOKEN = re.compile(r"[a-z0-9]+")


def rouge_tokens(text: str) -> list[str]:
    """Lower-case runs of [a-z0-9]; everything else separates."""
    return _TOKEN.findall(text.lower())


def lcs_length(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    if not left or not right:
        return 0
    positions: dict[str, int] = {}
    for i, token in enumerate(left):
        positions[token] = positions.get(token, 0) | (1 << i)
    full = (1 << len(left)) - 1
    row = full
    for token in right:
        match = row & positions.get(token, 0)
        row = ((row + match) | (row - match)) & full
    return len(left) - row.bit_count()


def rouge_l_tokens(answer: Sequence[str], reference: Sequence[str]) -> float:
    """ROUGE-L F-measure of two token lists, in [0, 1]; 0 when either is empty."""
    common = lcs_length(answer, reference)
    if common == 0:
        return 0.0
    precision, recall = common / len(answer), common / len(reference)
    return 2.0 * precision * recall / (precision + recall)


def rouge_l(answer: str, reference: str) -> float:
    """ROUGE-L F-measure of two texts, in [0, 1]; 0 when either has no token."""
    return rouge_l_tokens(rouge_tokens(answer), rouge_tokens(reference))


def lcs_positions(left: Sequence[str], right: Sequence[str]) -> list[int]:
    """Positions in `left` of one longest common subsequence, ascending; the earliest in `right` where several tie."""
    if not left or not right:
        return []
    positions: dict[str, int] = {}
    for i, token in enumerate(left):
        positions[token] = positions.get(token, 0) | (1 << i)
    full = (1 << len(left)) - 1
    rows = [full]
    for token in right:
        row = rows[-1]
        match = row & positions.get(token, 0)
        rows.append(((row + match) | (row - match)) & full)
    return _walk_back(left, right, rows)


def _walk_back(left: Sequence[str], right: Sequence[str], rows: Sequence[int]) -> list[int]:
    """A zero bit i in rows[j] means that left[i] lengthens the longest subsequence of left[:i + 1] and right[:j]."""
    found: list[int] = []
    i, j = len(left) - 1, len(right)
    while i >= 0 and j > 0:
        if rows[j] >> i & 1:
            i -= 1
        elif not rows[j - 1] >> i & 1:
            j -= 1
        else:
            found.append(i)
            i, j = i - 1, j - 1
    return found[::-1]
