"""The rows that a run works on: the supplied six tasks, or where there are none, the generated workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from routenlp.bench.datasets import generated, six_tasks
from routenlp.bench.datasets.locate import Located, locate
from routenlp.bench.datasets.supplied import SuppliedSplit, demo_sample
from routenlp.errors import UnknownTask
from routenlp.replay.folds import Folds, split
from routenlp.settings import Settings

ORDER = ("cs_intent", "legal_clause", "legal_risk", "fin_ner", "fin_summarisation", "cs_response")


@dataclass(frozen=True, slots=True)
class Workload:
    """Folds by task, and what they are in words."""

    folds: Mapping[str, Folds]
    where: str
    generated: bool
    sampled: bool


def load(
    settings: Settings,
    environment: str | None,
    *,
    quick: bool,
    only: Sequence[str] = (),
    make_rows: bool = False,
) -> Workload:
    """Rows of the tasks that the settings name, or of `only`.

    `environment` is the value of ROUTENLP_DATA. `quick` takes the fixed sample. Raises `DataError` for rows that
    cannot be used. Where no data lies anywhere, or with `make_rows`, the generated workload stands in, and says so.
    """
    for name in only:
        if name not in settings.tasks:
            raise UnknownTask("--task", f"{name!r} is not in the settings", f"Use one of {', '.join(settings.tasks)}.")
    found = None if make_rows else find(settings, environment)
    if found is None:
        supplied = {s.task.name: s for s in generated.workload(seed=settings.seed)}
        chosen = [t for t in supplied if t in settings.tasks and (not only or t in only)]
        return Workload(_split(supplied, chosen), "generated here from templates", True, False)
    chosen = [t for t in ORDER if t in settings.tasks and t in found.tasks and (not only or t in only)]
    rows = {name: six_tasks.load(found.six_tasks, name) for name in chosen}
    if quick:
        rows = {name: demo_sample(part, seed=settings.seed) for name, part in rows.items()}
    return Workload(_split(rows, chosen), "the six supplied tasks", False, quick)


def find(settings: Settings, environment: str | None) -> Located | None:
    """The folder with data, by setting, ROUTENLP_DATA, ../shared/data beside here, or earlier downloads."""
    return locate(
        setting=Path(settings.data_dir).expanduser() if settings.data_dir else None,
        environment=environment,
        beside=(Path.cwd(), Path(__file__).parents[4]),
        downloads=Path(settings.cache_dir).expanduser() / "data",
    )


def _split(supplied: Mapping[str, SuppliedSplit], tasks: Sequence[str]) -> dict[str, Folds]:
    return {name: split(name, supplied[name].train, supplied[name].test) for name in tasks}
