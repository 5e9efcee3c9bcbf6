"""What the demo leaves: a trained system, a recording, settings that serve them, and the record of what was asked.

routenlp.yaml           settings, for `routenlp serve`, `status` and `explain`; written last
system/                 students, router and policy
recording.jsonl.gz      the human labels of the held-out queries, which stand for a top tier
routenlp.db             traces, keys and money
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from routenlp.backends.recording import Row, write_recording
from routenlp.errors import SettingsError
from routenlp.settings import AuditSettings, ContentSettings, GatewaySettings, PolicySettings, Settings, StoreSettings
from routenlp.store.file_lock import open_locked
from routenlp.types import Example

FIRST_LINE = "# Written by `routenlp demo`, which writes this folder anew each time.\n"
_NAMES = ("routenlp.yaml", "system", "recording.jsonl.gz", "lock", "gateway.log")
_STORE = "routenlp.db"


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Where each part lies."""

    root: Path

    @property
    def settings(self) -> Path:
        """For `--settings`."""
        return self.root / "routenlp.yaml"

    @property
    def system(self) -> Path:
        """The trained system."""
        return self.root / "system"

    @property
    def recording(self) -> Path:
        """What the top tier replays."""
        return self.root / "recording.jsonl.gz"

    @property
    def store(self) -> Path:
        """The record."""
        return self.root / _STORE

    @property
    def complete(self) -> bool:
        """Whether a demo ended here, so that it can be served."""
        return self.settings.is_file() and self.settings.read_text(encoding="utf-8").startswith(FIRST_LINE)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else uses the folder meanwhile; raises `SettingsError` where somebody does."""
        self.root.mkdir(parents=True, exist_ok=True)
        handle = open_locked(self.root / "lock")
        if handle is None:
            raise SettingsError(
                "--folder", f"{str(self.root)!r} is used by another demo", "End that one, or name another folder."
            )
        try:
            yield
        finally:
            os.close(handle)

    def clear(self) -> None:
        """Removes what an earlier demo left; raises `SettingsError` where something else lies here."""
        for path in self.root.iterdir():
            foreign = path == self.settings and not self.complete
            if foreign or (path.name not in _NAMES and not path.name.startswith(_STORE)):
                raise SettingsError(
                    "--folder",
                    f"{str(self.root)!r} holds {path.name!r}, which is not the demo's",
                    "Name another folder.",
                )
        self.settings.unlink(missing_ok=True)
        shutil.rmtree(self.system, ignore_errors=True)
        for path in [self.recording, self.root / "gateway.log", *self.root.glob(f"{_STORE}*")]:
            path.unlink(missing_ok=True)

    def write(self, settings: Settings, tested: Iterable[Example]) -> None:
        """The recording and the settings, once `system` is there. `tested`: the queries that may be asked."""
        rows = [
            Row(e.query.id, e.query.task, e.query.text, e.reference, dict(e.query.metadata), list(e.query.turns))
            for e in tested
        ]
        write_recording(self.recording, rows)
        partial = self.settings.with_suffix(".partial")
        partial.write_text(FIRST_LINE + as_yaml(self._served(settings, {row.task for row in rows})), encoding="utf-8")
        partial.replace(self.settings)

    def _served(self, settings: Settings, tasks: set[str]) -> Settings:
        """Without limits of time, which would make the savings a matter of how fast this machine is."""
        portfolio = tuple(
            msgspec.structs.replace(tier, recording=str(self.recording.resolve()))
            if tier.backend == "recorded"
            else tier
            for tier in settings.portfolio
        )
        kept = {name: msgspec.structs.replace(settings.tasks[name], sla_ms=None) for name in sorted(tasks)}
        return msgspec.structs.replace(
            settings,
            portfolio=portfolio,
            tasks=kept,
            policy=PolicySettings(folder=str(self.system.resolve())),
            store=StoreSettings(url=f"sqlite:///{self.store.resolve()}"),
            content=ContentSettings(store="all", redact=()),
            gateway=GatewaySettings(port=0, admin_port=0),
            audit=AuditSettings(rate=0.0, bootstrap_rate=0.0),
            cache_dir=str(Path(settings.cache_dir).expanduser().resolve()),
        )


def as_yaml(settings: Settings) -> str:
    """The settings that differ from their defaults, as `settings.load` reads them."""
    return str(
        yaml.safe_dump(_given(settings), sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    )


def _given(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        pairs = [(field, getattr(value, field.name)) for field in msgspec.structs.fields(value)]
        return {field.name: _given(inner) for field, inner in pairs if inner != field.default}
    if isinstance(value, dict):
        return {name: _given(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_given(inner) for inner in value]
    return value
