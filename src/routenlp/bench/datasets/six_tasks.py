"""The six tasks of the benches: what each is graded by, and reading its supplied rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from routenlp.bench.datasets.checksums import check, read_sums
from routenlp.bench.datasets.rows import RESTORE, Row, read_rows
from routenlp.bench.datasets.supplied import SuppliedSplit, demo_sample, sample
from routenlp.errors import CorruptData, FoldOverlap, MissingData, UnknownTask
from routenlp.types import Example, Query, Task

__all__ = ["DOWNLOADS", "EXTRA_TASKS", "FILES", "TASKS", "SuppliedSplit", "demo_sample", "load", "sample"]


def _table(*tasks: Task) -> Mapping[str, Task]:
    return MappingProxyType({task.name: task for task in tasks})


TASKS: Mapping[str, Task] = _table(
    Task("cs_intent", metric="accuracy", handled_at=1.0, sla_s=0.2),
    Task("cs_response", metric="rouge_l", handled_at=0.20, sla_s=1.0),
    Task("fin_ner", metric="entity_f1", handled_at=0.8, sla_s=0.3),
    Task("fin_summarisation", metric="rouge_l", handled_at=0.25, sla_s=2.0),
    Task("legal_clause", metric="accuracy", handled_at=1.0, sla_s=0.5),
    Task("legal_risk", metric="accuracy", handled_at=1.0, sla_s=0.5),
)
"""The bench settings of the design, by task name."""

EXTRA_TASKS: Mapping[str, Task] = _table(
    Task("cs_intent_oos", metric="accuracy", handled_at=1.0, sla_s=0.2),
)
"""Optional: intents with out-of-scope queries, for domain shift."""

FILES: Mapping[str, str] = MappingProxyType(
    {name: f"{name}.jsonl.gz" for name in TASKS} | {"cs_intent_oos": "extra/cs_intent_oos_clinc150.jsonl.gz"}
)
"""Where a task's rows lie under the six-tasks folder."""

DOWNLOADS: Mapping[str, str] = MappingProxyType(
    {
        "cs_intent": "banking77",
        "cs_intent_oos": "clinc150",
        "legal_risk": "unfair-tos",
        "fin_summarisation": "ectsum",
    }
)
"""The `routenlp data get` name that brings rows for a task, where there is one."""


def load(folder: Path, task: str) -> SuppliedSplit:
    """The rows of `task` under `folder` (the six-tasks folder), in file order.

    A file that ../SHA256SUMS lists is checked against it. `Query.metadata["schema"]` is the row's source, whose
    label set an entity query asks for. Raises `UnknownTask`; `MissingData` for a folder, file or part that is not
    there; `CorruptData` for what cannot be read or does not have its hash; `FoldOverlap` for a group in both parts.
    """
    spec = TASKS.get(task) or EXTRA_TASKS.get(task)
    if spec is None:
        known = ", ".join([*TASKS, *EXTRA_TASKS])
        raise UnknownTask("task", f"{task!r} is not one of the supplied tasks", f"Use one of {known}")
    path = folder / FILES[task]
    content = _content(folder, path, task)
    rows = read_rows(content, subject=str(path), task=task, entities=spec.metric == "entity_f1")
    return _split(spec, rows, subject=str(path))


def _content(folder: Path, path: Path, task: str) -> bytes:
    remedy = "Set data_dir or ROUTENLP_DATA to the folder that holds six-tasks/"
    if not folder.is_dir():
        raise MissingData(str(folder), "there is no such folder", remedy)
    if task in DOWNLOADS:
        remedy += f", or run `routenlp data get {DOWNLOADS[task]}`"
    try:
        content = path.read_bytes()
    except FileNotFoundError as exc:
        raise MissingData(str(path), "there is no such file", remedy) from exc
    except OSError as exc:
        raise MissingData(str(path), f"cannot be read: {exc.strerror}", "Check the file's type and rights") from exc
    expected = read_sums(folder.parent).get(f"{folder.name}/{FILES[task]}")
    if expected is not None:
        check(content, expected, subject=str(path), remedy=f"{RESTORE}: it was altered or cut short")
    return content


def _split(task: Task, rows: Iterable[Row], *, subject: str) -> SuppliedSplit:
    parts: dict[str, list[Example]] = {"train": [], "test": []}
    part_of: dict[str, str] = {}
    ids: set[str] = set()
    for row in rows:
        if row.id in ids:
            raise CorruptData(subject, f"two rows have the id {row.id!r}", "Give every row an id of its own")
        if part_of.setdefault(row.group, row.split) != row.split:
            problem = f"group {row.group!r} is in train and in test (row {row.id!r})"
            raise FoldOverlap(subject, problem, "Put all rows of a group into one split")
        ids.add(row.id)
        parts[row.split].append(_example(row))
    for name, part in parts.items():
        if not part:
            raise MissingData(subject, f"task {task.name} has no {name} rows", f"{RESTORE}, or leave the task out")
    return SuppliedSplit(task, train=tuple(parts["train"]), test=tuple(parts["test"]))


def _example(row: Row) -> Example:
    return Example(Query(row.id, row.task, row.text, {"schema": row.source}), row.target, row.group)
