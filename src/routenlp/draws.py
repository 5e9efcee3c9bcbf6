"""Draws that anybody can make again: whoever has the name gets the same number."""

from __future__ import annotations

import hashlib


def draw(*name: str) -> float:
    """Uniform in [0, 1) over names, by SHA-256. Draws whose first words differ are independent of each other."""
    digest = hashlib.sha256("\0".join(name).encode("utf-8", "surrogatepass")).digest()
    # 53 bits: the most that a float holds exactly, so that the result stays under 1.
    return (int.from_bytes(digest[:8]) >> 11) / 2.0**53
