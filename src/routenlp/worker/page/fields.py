"""What a form holds, of bounded size."""

from __future__ import annotations

from urllib.parse import parse_qsl

MOST_BYTES = 256 << 10
"""Of a whole form; a text that is longer belongs in a file."""
_MOST_FIELDS = 64


class BadForm(Exception):
    """It cannot be read; the text says why, for the person."""


def read_fields(body: bytes) -> dict[str, str]:
    """Raises `BadForm`. A field said twice is an error and not passed over."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as exc:
        raise BadForm("The form could not be read.") from exc
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadForm("A field came twice.")
    return fields
