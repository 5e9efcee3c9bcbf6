"""Loads a tuned adapter into a running vLLM under its own new name, and believes it only after it has answered.

vLLM, started with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING, takes adapters at /v1/load_lora_adapter. A name
that is loaded twice can go on serving the older weights, or answer from their cached prefixes (vLLM's issues 47724 and
42125), so a name is loaded once: one that is already there must prove itself by its answers, like any other.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routenlp.errors import BackendError, SettingsError

COMPARED_CHARS = 24
"""Of an answer's beginning: servers round differently, and one other token makes the rest differ."""


@dataclass(frozen=True, slots=True)
class AdapterProbe:
    """A fixed prompt, and what the tuned and the untuned model say to it when nothing is left to chance."""

    messages: Sequence[dict[str, str]]
    answer: str
    base_answer: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """An adapter that answers as it should."""

    name: str
    matched: int
    """Probes answered as the tuned model answered them."""
    asked: int


class VllmAdapters:
    """One vLLM server's adapters."""

    def __init__(self, base_url: str, *, api_key: str | None = None, timeout_s: float = 60.0) -> None:
        """`base_url` ends in /v1."""
        if not base_url.startswith(("http://", "https://")):
            raise SettingsError("base_url", f"is {base_url!r}", "Give the address of vLLM's API, with http and /v1.")
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._timeout_s = timeout_s

    def names(self) -> tuple[str, ...]:
        """All models and adapters that the server has."""
        return tuple(str(model["id"]) for model in self._call("GET", "/models", None)["data"])

    def load(self, name: str, folder: Path, probes: Sequence[AdapterProbe]) -> Loaded:
        """Loads, unless the name is there already, and probes. Raises `BackendError`, with the adapter unloaded again,
        where it does not answer as the tuned model does.
        """
        if name not in self.names():
            self._call("POST", "/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
        try:
            return self._proven(name, probes)
        except BackendError:
            self.unload(name)
            raise

    def unload(self, name: str) -> None:
        """Raises `BackendError` where the server will not."""
        self._call("POST", "/unload_lora_adapter", {"lora_name": name})

    def _proven(self, name: str, probes: Sequence[AdapterProbe]) -> Loaded:
        """At least half of the probes as the tuned model, and more of those that tuning changed than as the base."""
        said = [self._ask(name, probe) for probe in probes]
        matched = sum(_alike(text, probe.answer) for text, probe in zip(said, probes, strict=True))
        changed = [(t, p) for t, p in zip(said, probes, strict=True) if not _alike(p.answer, p.base_answer)]
        as_tuned = sum(_alike(text, probe.answer) for text, probe in changed)
        as_base = sum(_alike(text, probe.base_answer) for text, probe in changed)
        if not changed or 2 * matched < len(probes) or as_tuned <= as_base:
            raise BackendError(
                f"adapter {name!r}",
                f"answers {matched} of {len(probes)} probes as it was tuned to, and {as_base} of {len(changed)} that "
                "tuning changed as the base does",
                "It is not used: see whether the server has this adapter's base model, and load it under a new name.",
            )
        return Loaded(name, matched, len(probes))

    def _ask(self, name: str, probe: AdapterProbe) -> str:
        body = {"model": name, "messages": list(probe.messages), "max_tokens": COMPARED_CHARS, "temperature": 0}
        choices = self._call("POST", "/chat/completions", body)["choices"]
        return str(choices[0]["message"]["content"] or "")

    def _call(self, method: str, path: str, body: object) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        if self._api_key is not None:
            headers["authorization"] = f"Bearer {self._api_key}"
        request = urllib.request.Request(self._base_url + path, data=data, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as response:  # noqa: S310
                raw = response.read()
            return json.loads(raw) if path in _JSON else None
        except urllib.error.HTTPError as exc:
            said = exc.read(500).decode("utf-8", "replace")
            raise BackendError(f"vLLM {path}", f"answered {exc.code} ({said})", "See the server's log.") from exc
        except (OSError, ValueError) as exc:
            raise BackendError(f"vLLM {path}", f"cannot be reached or read ({exc})", "Is it running there?") from exc


_JSON = frozenset({"/models", "/chat/completions"})
"""What answers in JSON; the adapters' own calls answer in words."""


def _alike(one: str, other: str) -> bool:
    return one.strip()[:COMPARED_CHARS] == other.strip()[:COMPARED_CHARS]
