"""Structured logs: one JSON object a line, secrets redacted on their way out."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

_KEYS = re.compile(r"(?i)(bearer\s+|(?:rnlp_|sk-)(?=[A-Za-z0-9_-]{8}))[A-Za-z0-9._~+/=-]+")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonLines(logging.Formatter):
    """`secrets`: values that must never be seen, whatever they look like."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 4)

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {name: str(value) for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            # Where it happened, not what it was about: an error's text may quote a request.
            kind, _, trace = record.exc_info
            fields["error"] = kind.__name__ if kind is not None else ""
            fields["at_line"] = "; ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in _frames(trace))
        return self._redacted(msgspec.json.encode(fields).decode())

    def _redacted(self, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, "[secret]")
        return _KEYS.sub("[secret]", line)


def _frames(trace: object) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(trace))[-4:]  # type: ignore[arg-type]


def set_up_logs(secrets: Iterable[str]) -> None:
    """Lines on standard error; uvicorn's own come the same way."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(secrets))
    for name in ("routenlp", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
    for quiet in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(quiet).handlers = []
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
