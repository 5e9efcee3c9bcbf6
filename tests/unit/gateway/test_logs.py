"""No secret leaves by a log."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from routenlp.gateway.logs import JsonLines


def line(message: str, *args: object, secrets: tuple[str, ...] = (), **more) -> str:
    record = logging.LogRecord("routenlp.gateway", logging.WARNING, "f.py", 1, message, args, more.get("exc_info"))
    return JsonLines(secrets).format(record)


@pytest.mark.parametrize(
    "secret", ["rnlp_" + "ab" * 32, "sk-proj-abcdefghijklmnop1234", "Bearer abc.def-ghi", "bearer   xyzxyz"]
)
def test_what_looks_like_a_key_is_redacted(secret):
    assert secret.split()[-1] not in line("failed with %s at x", secret)


def test_known_secrets_are_redacted_whatever_they_look_like():
    assert "correct horse" not in line("got %s", "correct horse", secrets=("correct horse",))


def test_an_error_says_where_and_not_what():
    try:
        raise ValueError("the user's words")
    except ValueError:
        text = line("it failed", exc_info=sys.exc_info())
    found = json.loads(text)
    assert (found["error"], found["level"]) == ("ValueError", "warning")
    assert "user's words" not in text
    assert "test_logs.py" in found["at_line"]
