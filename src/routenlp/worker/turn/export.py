"""The lessons of the next turn for a trainer elsewhere: of every task, for no student has to learn from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from routenlp.loop.lessons import Lesson
from routenlp.settings import Settings
from routenlp.store.policy_versions import open_versions
from routenlp.training.distil.chat_lines import ExportDistiller
from routenlp.training.distil.distiller import Distilled
from routenlp.worker.turn.run import Order, Stages, folder_in_force, look, teacher_answer
from routenlp.worker.turn.system import Encoders, TurnSystem, read_system


def export_lessons(
    settings: Settings,
    store: Path,
    order: Order,
    encoders: Encoders,
    to: ExportDistiller,
    into: Path,
    *,
    now_s: float,
    stages: Stages,
) -> tuple[Distilled, ...]:
    """The lessons of the next turn that are paid already, as chat lines for a trainer elsewhere. Spends nothing."""
    with open_versions(store) as versions:
        folder, looks = folder_in_force(settings, versions), versions.looks()
    with stages("reading the system that serves"):
        system = _with_every_cheap_tier(read_system(settings, folder, encoders))
    with stages("looking at what failed"):
        plan, came = look(system, store, order, looks, now_s)
    lessons = [
        Lesson(one.query, said, top, one.group)
        for task in plan.tasks
        for one in [came[task.task][i] for i in task.lessons]
        if (said := teacher_answer(one, top := system.top_of(task.task).name)) is not None
    ]
    return to.distil(lessons, into)


def _with_every_cheap_tier(system: TurnSystem) -> TurnSystem:
    """Tasks that a turn cannot refit learn too, but for those that one tier alone answers: they have no cheap one."""
    left = {task: its for task, its in system.unteachable.items() if len(system.tiers_of(task)) == 1}
    rows = {task: its for task, its in system.every_row.items() if task not in left}
    return replace(system, rows=rows, unteachable=left)
