"""Lessons as chat-format JSON lines, for a provider's fine-tuning service or an outside trainer, and the way back.

    FOLDER/lessons.jsonl   {"messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]}

The folder is sealed and named by what it teaches. Whoever trains from it gets a model of some name; `adopted` makes
that name a new version of the tier, bound to these lessons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from routenlp.errors import ArtefactError
from routenlp.loop.lessons import Lesson
from routenlp.store.sealed import check, seal
from routenlp.training.distil.distiller import Distilled, lessons_hash, some, version_name
from routenlp.types import Query

LINES = "lessons.jsonl"
Message = dict[str, str]


def asked(query: Query, system: str | None = None) -> list[Message]:
    """The conversation that a model is asked with: system prompt if any, earlier turns, the query's text."""
    begun = [] if system is None else [{"role": "system", "content": system}]
    return [
        *begun,
        *({"role": t.role, "content": t.text} for t in query.turns),
        {"role": "user", "content": query.text},
    ]


def taught(lesson: Lesson, system: str | None = None) -> list[Message]:
    """The same with the teacher's answer at its end."""
    return [*asked(lesson.query, system), {"role": "assistant", "content": lesson.answer}]


@dataclass(frozen=True, slots=True)
class ExportDistiller:
    """`Distiller` that trains nothing: the folder that it makes is for somebody else's trainer."""

    tier: str
    base: str
    """The model that is to be trained."""
    system: Mapping[str, str] = field(default_factory=dict)
    """System prompts by task: the very ones that the tier is asked with."""

    def distil(self, lessons: Sequence[Lesson], into: Path) -> tuple[Distilled, ...]:
        """One folder, with lessons in the order given; see `Distiller`."""
        learned = lessons_hash(some(lessons))
        name = version_name(self.tier, "export", self.base, dict(self.system), learned)
        folder = into / name
        about = {"tier": self.tier, "base": self.base, "lessons": len(lessons), "lessons_sha256": learned}

        def fill(temporary: Path) -> Mapping[str, object]:
            with (temporary / LINES).open("w", encoding="utf-8") as file:
                for lesson in lessons:
                    line = {"messages": taught(lesson, self.system.get(lesson.query.task))}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
            return about

        if not folder.is_dir():
            seal(folder, fill)
        check(folder)
        return (Distilled(self.tier, name, folder, len(lessons), learned),)


def adopted(folder: Path, model: str, into: Path) -> Distilled:
    """The model that somebody trained from an exported folder, as a new version of its tier.

    `model`: its name at the endpoint that serves it, which must be its own: names that move, such as an alias for the
    newest model, are not versions. Raises `ArtefactError` for a folder that was altered, and for the base's own name.
    """
    about = check(folder)
    tier, base, learned = str(about["tier"]), str(about["base"]), str(about["lessons_sha256"])
    if not model.strip() or model == base:
        raise ArtefactError(
            "trained model", f"is {model!r}", f"Name the model that was trained, not its base {base!r}."
        )
    name = version_name(tier, "adopted", model, learned)
    if not (into / name).is_dir():
        seal(into / name, lambda _: {**about, "model": model})
    if check(into / name)["model"] != model:
        raise ArtefactError(str(into / name), "is of another model", "Remove it, or name another folder.")
    return Distilled(tier, name, into / name, _count(about["lessons"]), learned)


def _count(value: object) -> int:
    if not isinstance(value, int):
        raise ArtefactError("lessons", f"are {value!r}", "The seal should hold their number: export them again.")
    return value
