"""Which folder the labelled data is read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from routenlp.bench.datasets.six_tasks import FILES
from routenlp.errors import MissingData

SIX_TASKS = "six-tasks"
SHARED = Path("shared") / "data"


@dataclass(frozen=True, slots=True)
class Located:
    """A folder with labelled data, and what led to it."""

    root: Path
    """Holds six-tasks/ and, where hashes are known, SHA256SUMS."""
    found_by: str
    """In words, for the report: the setting, the environment, the folder beside, or the downloads."""

    @property
    def six_tasks(self) -> Path:
        """What `six_tasks.load` takes."""
        return self.root / SIX_TASKS

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks whose file lies there; downloads bring only some."""
        return _tasks(self.root)


def locate(
    *, setting: Path | None, environment: str | None, beside: Sequence[Path], downloads: Path | None
) -> Located | None:
    """The first place with data: `data_dir`, ROUTENLP_DATA, ../shared/data beside a folder, then the downloads.

    The first two were asked for by name, so data missing there raises `MissingData` instead of being passed over.
    `beside` is usually the checkout and the current folder. None: nothing anywhere, so take the generated workload.
    """
    if setting is not None:
        return _asked_for(setting, "the setting data_dir")
    if environment:
        return _asked_for(Path(environment), "ROUTENLP_DATA")
    for folder in beside:
        root = folder.resolve().parent / SHARED
        if _tasks(root):
            return Located(root, f"{SHARED} beside {folder}")
    if downloads is not None and _tasks(downloads):
        return Located(downloads, "routenlp data get")
    return None


def _asked_for(root: Path, key: str) -> Located:
    if not _tasks(root):
        problem = f"{str(root)!r} holds no {SIX_TASKS}/ folder with task files"
        raise MissingData(key, problem, f"Name the folder that holds {SIX_TASKS}/, or leave {key} unset")
    return Located(root, key)


def _tasks(root: Path) -> tuple[str, ...]:
    return tuple(task for task, file in FILES.items() if (root / SIX_TASKS / file).is_file())
