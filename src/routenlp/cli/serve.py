"""`routenlp serve`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from routenlp.errors import SettingsError
from routenlp.settings import Settings, load

DEFAULT_FILE = Path("routenlp.yaml")


def settings_file(given: Path | None) -> Path:
    """The file named, or `routenlp.yaml` in this folder; raises `SettingsError` where there is none."""
    path = given or DEFAULT_FILE
    if not path.is_file():
        raise SettingsError(str(path), "does not exist", "Write one with `routenlp init`, or name it by --settings.")
    return path


def check_installed(command: str) -> None:
    """Raises `SettingsError` where the extra `gateway` is not installed."""
    missing = [name for name in ("starlette", "uvicorn", "aiohttp", "prometheus_client") if find_spec(name) is None]
    if missing:
        raise SettingsError(command, f"needs {missing[0]}", "Install it: pip install 'routenlp[gateway]'")


def run(given: Path | None, environ: Mapping[str, str]) -> None:
    """Serve until told to stop."""
    path = settings_file(given)
    check_installed("routenlp serve")
    from routenlp.gateway import server

    def read() -> Settings:
        return load(path, environ, default="")

    server.run(read, environ, _say)


def _say(public: str, admin: str) -> None:
    sys.stdout.write(
        f"routenlp listens on {public}/v1 and answers model `auto`; metrics and admin on {admin}.\n"
        "Stop it with Ctrl-C or SIGTERM; SIGHUP reads the settings again.\n"
    )
    sys.stdout.flush()
