"""Which store a command works on, and what its settings say of content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from routenlp.errors import SettingsError
from routenlp.settings import Settings, load
from routenlp.store.content import ContentPolicy
from routenlp.store.sql.database import locate

DEFAULT_FILE = Path("routenlp.yaml")


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """From `--store` and `--settings`."""

    url: str | None
    settings: Path | None


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """A store's file and the rules for what may lie in it."""

    path: Path
    content: ContentPolicy
    settings: Settings | None = None
    """Where a file was read, and the store is its own."""


def store_location(choice: StoreChoice, environ: Mapping[str, str]) -> StoreLocation:
    """`--store` first, then the settings' `store.url`, from `--settings` or from routenlp.yaml in this folder.

    Raises `SettingsError` where none of them names a store.
    """
    file = choice.settings or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    if file is None:
        if choice.url is None:
            raise SettingsError("--store", "is not given", "Name a store, or settings that do: --settings FILE.")
        return StoreLocation(locate(choice.url), ContentPolicy())
    settings = load(file, environ, default="")
    url = choice.url or (settings.store.url if settings.store is not None else None)
    if url is None:
        raise SettingsError("store.url", f"is not given in {str(file)!r}", "Add store: {url: sqlite:///routenlp.db}")
    given = settings.content
    own = settings if choice.url is None else None
    return StoreLocation(locate(url), ContentPolicy(given.store, given.retain_days, given.redact), own)
