"""Other gateways, where they are installed in environments of their own, before the same stub in the same run.

They get as plain a job as they know: one model, one key, no retries, no routing, no scores, no record. What they do
beyond passing bytes on is what they cannot leave out.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from routenlp.errors import SettingsError

LITELLM, PORTKEY = "LiteLLM", "Portkey"
_MALICIOUS = ("1.82.7", "1.82.8")
"""Releases of LiteLLM that stole credentials."""
_MODEL = "small"


@dataclass(frozen=True, slots=True)
class Peer:
    """How one is started, and how it is asked."""

    name: str
    version: str
    command: Sequence[str]
    url: str
    environ: Mapping[str, str] = field(default_factory=dict)
    model: str = _MODEL
    key: str = "unused"
    headers: Mapping[str, str] = field(default_factory=dict)


def litellm(environment: Path, upstream: str, work: Path) -> Peer:
    """Of a virtual environment with `litellm[proxy]`; its settings are written to `work`. Raises `SettingsError`."""
    found = sorted(environment.glob("lib/python3.*/site-packages/litellm-*.dist-info"))
    program = environment / "bin" / "litellm"
    if not found or not program.exists():
        raise SettingsError(
            "--litellm", f"is {environment}, where it is not", "Name a virtual environment that has it."
        )
    version = found[0].name.removeprefix("litellm-").removesuffix(".dist-info")
    if version in _MALICIOUS:
        raise SettingsError(
            "--litellm", f"has release {version}, which steals credentials", "Remove it, and pin another."
        )
    settings = {
        "model_list": [
            {
                "model_name": _MODEL,
                "litellm_params": {"model": f"openai/{_MODEL}", "api_base": f"{upstream}/v1", "api_key": "unused"},
            }
        ],
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }
    path = work / "litellm.json"  # JSON is YAML
    path.write_text(json.dumps(settings), encoding="utf-8")
    port, key = _free_port(), f"sk-{secrets.token_hex(24)}"
    return Peer(
        LITELLM,
        version,
        [str(program), "--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"],
        f"http://127.0.0.1:{port}",
        {"LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
        key=key,
    )


def portkey(folder: Path, upstream: str) -> Peer:
    """Of a folder in which `npm install @portkey-ai/gateway` was run. Needs node. Raises `SettingsError`."""
    package = folder / "node_modules" / "@portkey-ai" / "gateway"
    if not (package / "package.json").exists():
        raise SettingsError("--portkey", f"is {folder}, where it is not", "Name the folder with its node_modules.")
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    port = _free_port()
    return Peer(
        PORTKEY,
        version,
        ["node", str(package / "build" / "start-server.js"), "--headless", f"--port={port}"],
        f"http://127.0.0.1:{port}",
        headers={"x-portkey-provider": "openai", "x-portkey-custom-host": f"{upstream}/v1"},
    )


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
