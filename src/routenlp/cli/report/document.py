"""A report before it has a form: the same words and cells go to every renderer."""

from __future__ import annotations

from dataclasses import dataclass

from routenlp.bench.six_tasks.table import Table
from routenlp.replay.report.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of the first lines."""

    label: str
    value: str
    note: str
    """What it rests on, or its interval."""


@dataclass(frozen=True, slots=True)
class Section:
    """Under one heading."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    points: tuple[str, ...] = ()
    line: Timeline | None = None
    """Drawn where there are pictures; its table is among `tables`."""


@dataclass(frozen=True, slots=True)
class Document:
    """In reading order."""

    title: str
    about: str
    """Which store, period and task."""
    facts: tuple[Fact, ...]
    summary: tuple[str, ...]
    sections: tuple[Section, ...]
