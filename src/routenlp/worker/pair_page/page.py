"""The page of one pair, as HTML. Nothing on it tells whose an answer is."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from routenlp.store.sql.audits import Audit
from routenlp.worker.page.html import answered, asked, buttons, head, note, whole

VERDICTS = (("A", "A is better"), ("tie", "as good as each other"), ("B", "B is better"))


@dataclass(frozen=True, slots=True)
class Shown:
    """One page."""

    id: str
    """The rating's."""
    audit: Audit
    first: str
    """The text under A."""
    second: str
    done: int
    drawn: int
    saved: str | None = None
    """The rating before, to be changed where that was a slip."""
    wrong: str | None = None
    """What was wrong with the form that came."""
    said: str | None = None
    """A, B or tie, where that was said before."""


def pair_page(shown: Shown) -> str:
    """The query, its two answers, and which is better."""
    notes = [note(escape(shown.wrong), "note bad")] if shown.wrong else []
    if shown.saved:
        notes.append(note(f'Saved. <a href="./?id={escape(shown.saved)}">Change it</a>'))
    answers = "".join(
        f'<section class="card" aria-label="answer {letter}"><h2>{letter}</h2>{answered(text)}</section>'
        for letter, text in (("A", shown.first), ("B", shown.second))
    )
    return whole(
        f"{shown.done} of {shown.drawn} done",
        f"""{head("Which answer is better?", shown.audit.task, shown.done, shown.drawn, notes)}
{asked(shown.audit)}
{answers}
<form method="post" action="./">
<input type="hidden" name="id" value="{escape(shown.id)}">
<fieldset><legend>Your verdict</legend><div class="grades">{_choices(shown.said)}</div></fieldset>
{buttons(shown.done, shown.drawn)}
</form>""",
    )


def _choices(said: str | None) -> str:
    return "".join(
        f'<label><input type="radio" name="verdict" value="{value}"'
        f"{' checked' if value == said else ''}{' autofocus' if not at else ''}>{words}</label>"
        for at, (value, words) in enumerate(VERDICTS)
    )
