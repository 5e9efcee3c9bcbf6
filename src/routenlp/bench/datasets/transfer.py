"""One HTTP download to one file: bounded, timed out, and either whole or an error."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from routenlp.errors import CorruptData, MissingData, SettingsError

Progress = Callable[[int, int | None], None]
"""Told the bytes received so far, and the bytes in all where the server says."""

CHUNK_BYTES = 2**16
AGAIN = "Run the command again"


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach servers: through which opener, how patiently, and who is told of the progress."""

    opener: urllib.request.OpenerDirector
    timeout_s: float = 30.0
    """Bounds each wait for the network, not the whole transfer."""
    progress: Progress | None = None

    def transfer(self, url: str, into: Path, *, max_bytes: int) -> None:
        """Writes what `url` serves to the file `into`.

        Raises `SettingsError` for an address that is not http(s), `MissingData` when the server cannot be reached or
        has no such file, `CorruptData` when the transfer ends early or exceeds `max_bytes`. What was written until
        then is the caller's to remove.
        """
        if not url.startswith(("https://", "http://")):
            raise SettingsError("base_url", f"{url!r} is not an http or https address", "Give one, or leave it unset")
        received = 0
        with into.open("wb") as file:
            for chunk, total in self._chunks(url):
                received += len(chunk)
                _check_size(url, received, total, max_bytes, ended=not chunk)
                file.write(chunk)
                if self.progress is not None:
                    self.progress(received, total)

    def _chunks(self, url: str) -> Iterator[tuple[bytes, int | None]]:
        """Each chunk with the announced length; an empty one marks the end. Only here network errors become ours."""
        try:
            with self.opener.open(url, timeout=self.timeout_s) as response:
                total = _announced(response.headers.get("Content-Length"))
                chunk = b"-"
                while chunk:
                    chunk = response.read(CHUNK_BYTES)
                    yield chunk, total
        except urllib.error.HTTPError as exc:
            exc.close()
            remedy = "Check the address: the pinned commit may have been moved or removed"
            raise MissingData(url, f"the server answered {exc.code} {exc.reason}", remedy) from exc
        except http.client.IncompleteRead as exc:
            raise CorruptData(url, "the transfer ended early", AGAIN) from exc
        except (OSError, http.client.HTTPException) as exc:
            reason = getattr(exc, "reason", None) or str(exc) or type(exc).__name__
            remedy = f"Check the network connection. {AGAIN}"
            raise MissingData(url, f"could not be downloaded: {reason}", remedy) from exc


def _check_size(url: str, received: int, total: int | None, max_bytes: int, *, ended: bool) -> None:
    if max(received, total or 0) > max_bytes:
        problem = f"is larger than the {max_bytes:,} bytes allowed for it"
        raise CorruptData(url, problem, "Check that this is the pinned source and no page in its place")
    if ended and total is not None and received < total:
        raise CorruptData(url, f"the transfer ended after {received:,} of {total:,} bytes", AGAIN)


def _announced(length: str | None) -> int | None:
    return int(length) if length is not None and length.isdecimal() else None
