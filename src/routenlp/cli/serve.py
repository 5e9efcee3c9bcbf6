"""`routenlp serve`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
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


def run(given: Path | None, environ: Mapping[str, str]) -> None:
    """Serve until told to stop."""
    path = settings_file(given)
    try:
        from routenlp.gateway import server
    except ModuleNotFoundError as exc:
        raise SettingsError(
            "routenlp serve", f"needs {exc.name}", "Install it: pip install 'routenlp[gateway]'"
        ) from exc

    def read() -> Settings:
        return load(path, environ, default="")

    server.run(read, environ, _say)


def _say(public: str, admin: str) -> None:
    sys.stdout.write(
        f"routenlp listens on {public}/v1 and answers model `auto`; metrics and admin on {admin}.\n"
        "Stop it with Ctrl-C or SIGTERM; SIGHUP reads the settings again.\n"
    )
    sys.stdout.flush()
