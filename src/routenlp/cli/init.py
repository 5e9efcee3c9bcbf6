"""`routenlp init [DIR]`."""

from __future__ import annotations

import os
import sys
from importlib import resources
from pathlib import Path

from routenlp.errors import SettingsError

NAME = "routenlp.yaml"


def template() -> str:
    """The commented settings that the package brings."""
    return resources.files("routenlp.cli").joinpath("routenlp.template.yaml").read_text(encoding="utf-8")


def run(folder: Path) -> None:
    """Write the settings; an existing file is never overwritten."""
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError as exc:
        raise SettingsError(str(path), "exists already", "Edit it, or name another folder.") from exc
    except OSError as exc:
        raise SettingsError(str(path), f"cannot be written ({exc.strerror})", "Name a writable folder.") from exc
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(template())
    sys.stdout.write(
        f"Wrote {path}. Name your endpoints in it, then:\n"
        "  routenlp doctor                       checks it\n"
        "  routenlp serve                        starts the gateway\n"
        "  routenlp keys create NAME             makes a key for a client, shown once\n"
    )
