"""The page of one query, as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from routenlp.store.sql.audits import Audit
from routenlp.worker.labels import letters
from routenlp.worker.page.html import answered, asked, buttons, head, note, whole

GRADES = (("0", "0 wrong"), ("0.25", "¼ poor"), ("0.5", "½ in part"), ("0.75", "¾ good"), ("1", "1 right"))


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page is made of, beside its query."""

    done: int
    drawn: int
    by_reference: bool
    """Whether the task's metric grades answers against a reference."""
    saved: str | None = None
    """The query that was graded before, to be changed where that was a slip."""
    wrong: str | None = None
    """What was wrong with the form that came."""
    reference: str = ""
    """As filled in before, like the next."""
    quality: tuple[tuple[str, float], ...] = ()


def query_page(audit: Audit, shown: Shown) -> str:
    """One query, its answers under letters, and a grade for each."""
    notes = [note(escape(shown.wrong), "note bad")] if shown.wrong else []
    if shown.saved:
        notes.append(note(f'Saved. <a href="./?id={escape(shown.saved)}">Change it</a>'))
    chosen = dict(shown.quality)
    answers = "".join(
        _answer(letter, audit.answers[tiers[0]], chosen.get(letter), first=not at and not shown.by_reference)
        for at, (letter, tiers) in enumerate(letters(audit).items())
    )
    return whole(
        f"{shown.done} of {shown.drawn} done",
        f"""{head("How good are these answers?", audit.task, shown.done, shown.drawn, notes)}
{asked(audit)}
<form method="post" action="./">
<input type="hidden" name="id" value="{escape(audit.trace_id)}">
{_reference(shown)}{answers}
{buttons(shown.done, shown.drawn)}
</form>""",
    )


def _reference(shown: Shown) -> str:
    if not shown.by_reference:
        return ""
    return (
        '<fieldset><legend>The right answer</legend><textarea name="reference" autofocus aria-label="the right answer">'
        f'{escape(shown.reference)}</textarea><p class="soft">The task\'s metric holds each answer against it. '
        "Or leave it empty and grade them yourself.</p></fieldset>"
    )


def _answer(letter: str, text: str, chosen: float | None, *, first: bool) -> str:
    grades = "".join(
        f'<label><input type="radio" name="quality-{letter}" value="{value}"'
        f"{' checked' if chosen is not None and float(value) == chosen else ''}"
        f"{' autofocus' if first and not at else ''}>{words}</label>"
        for at, (value, words) in enumerate(GRADES)
    )
    return f'<fieldset><legend>{letter}</legend>{answered(text)}<div class="grades">{grades}</div></fieldset>'
