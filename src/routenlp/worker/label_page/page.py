"""The page as HTML. It is all there is: its style is inside, it needs no script, and every text in it is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources

import msgspec

from routenlp.backends.openai_compatible.conversation import Message
from routenlp.store.sql.audits import Audit
from routenlp.worker.labels import letters

MOST_CHARACTERS = 20_000
"""Of one text that is shown; the rest is named by its length."""
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


@cache
def style() -> tuple[str, str]:
    """What stands in every page, and its hash for the policy that lets this style in, and no other."""
    text = resources.files("routenlp.worker.label_page").joinpath("page.css").read_text(encoding="utf-8")
    return text, f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def query_page(audit: Audit, shown: Shown) -> str:
    """One query, its answers under letters, and a grade for each."""
    notes = [_note(escape(shown.wrong), "note bad")] if shown.wrong else []
    if shown.saved:
        notes.append(_note(f'Saved. <a href="./?id={escape(shown.saved)}">Change it</a>'))
    asked = "".join(_turn(role, text) for role, text in _messages(audit))
    chosen = dict(shown.quality)
    answers = "".join(
        _answer(letter, audit.answers[tiers[0]], chosen.get(letter), first=not at and not shown.by_reference)
        for at, (letter, tiers) in enumerate(letters(audit).items())
    )
    return _whole(
        f"{shown.done} of {shown.drawn} done",
        f"""<header><h1>How good are these answers?</h1><span class="soft">task {escape(audit.task)}</span></header>
<progress max="{shown.drawn}" value="{shown.done}" aria-label="done"></progress>
{"".join(notes)}
<section class="card" aria-label="query"><h2>What was asked</h2>{asked}</section>
<form method="post" action="./">
<input type="hidden" name="id" value="{escape(audit.trace_id)}">
{_reference(shown)}{answers}
<div class="buttons"><button accesskey="s">Save and next</button>
<button class="other" name="put-off" value="1" formnovalidate accesskey="l">Later</button>
<span class="soft">{shown.done} of {shown.drawn} done. Tab moves on, arrows choose, Enter saves.</span></div>
</form>""",
    )


def word_page(title: str, text: str) -> str:
    """A page that only says something."""
    return _whole(title, f'<header><h1>{escape(title)}</h1></header><p class="card">{escape(text)}</p>')


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
    said = _said(text) if text else '<p class="soft">(an empty answer)</p>'
    return f'<fieldset><legend>{letter}</legend>{said}<div class="grades">{grades}</div></fieldset>'


def _turn(role: str, text: str) -> str:
    return f'<div class="turn"><h2>{escape(role)}</h2>{_said(text)}</div>'


def _said(text: str) -> str:
    cut = f"<p class=soft>… and {len(text) - MOST_CHARACTERS:,} characters more</p>" * (len(text) > MOST_CHARACTERS)
    return f'<p class="said" dir="auto">{escape(text[:MOST_CHARACTERS])}</p>{cut}'


def _messages(audit: Audit) -> Iterable[tuple[str, str]]:
    """By role; a message that cannot be read as one is shown as it is."""
    for raw in (audit.request or {}).get("messages", []):
        try:
            message = msgspec.convert(raw, Message)
        except msgspec.ValidationError:
            yield "message", msgspec.json.encode(raw).decode()
            continue
        kinds = [part.type for part in message.content if not part.text] if isinstance(message.content, list) else []
        yield message.role, "\n".join([message.text, *(f"[{kind}]" for kind in kinds)]).strip()


def _note(html: str, kind: str = "note") -> str:
    return f'<p class="{kind}" role="status">{html}</p>'


def _whole(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}: routenlp label</title><style>{style()[0]}</style></head>
<body><main>{body}</main></body></html>"""
