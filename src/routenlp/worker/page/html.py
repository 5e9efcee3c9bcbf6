"""Pages as HTML. They are all there is: their style is inside, they need no script, and every text is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib import resources

import msgspec

from routenlp.backends.openai_compatible.conversation import Message
from routenlp.store.sql.audits import Audit

MOST_CHARACTERS = 20_000
"""Of one text that is shown; the rest is named by its length."""


@cache
def style() -> tuple[str, str]:
    """What stands in every page, and its hash for the policy that lets this style in, and no other."""
    text = resources.files("routenlp.worker.page").joinpath("page.css").read_text(encoding="utf-8")
    return text, f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def whole(title: str, body: str) -> str:
    """A page, from HTML."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}: routenlp</title><style>{style()[0]}</style></head>
<body><main>{body}</main></body></html>"""


def word_page(title: str, text: str) -> str:
    """A page that only says something."""
    return whole(title, f'<header><h1>{escape(title)}</h1></header><p class="card">{escape(text)}</p>')


def head(heading: str, task: str, done: int, drawn: int, notes: Iterable[str]) -> str:
    """What stands over a query."""
    return f"""<header><h1>{escape(heading)}</h1><span class="soft">task {escape(task)}</span></header>
<progress max="{drawn}" value="{done}" aria-label="done"></progress>
{"".join(notes)}"""


def asked(audit: Audit) -> str:
    """The query, message by message; a message that cannot be read as one is shown as it is."""
    turns = "".join(f'<div class="turn"><h2>{escape(role)}</h2>{quoted(text)}</div>' for role, text in _messages(audit))
    return f'<section class="card" aria-label="query"><h2>What was asked</h2>{turns}</section>'


def quoted(text: str) -> str:
    """What somebody said, as a paragraph of its own."""
    cut = f"<p class=soft>… and {len(text) - MOST_CHARACTERS:,} characters more</p>" * (len(text) > MOST_CHARACTERS)
    return f'<p class="said" dir="auto">{escape(text[:MOST_CHARACTERS])}</p>{cut}'


def answered(text: str) -> str:
    """An answer, which may be empty."""
    return quoted(text) if text else '<p class="soft">(an empty answer)</p>'


def buttons(done: int, drawn: int) -> str:
    """Of a form."""
    return f"""<div class="buttons"><button accesskey="s">Save and next</button>
<button class="other" name="put-off" value="1" formnovalidate accesskey="l">Later</button>
<span class="soft">{done} of {drawn} done. Tab moves on, arrows choose, Enter saves.</span></div>"""


def note(html: str, kind: str = "note") -> str:
    """A line over the query."""
    return f'<p class="{kind}" role="status">{html}</p>'


def _messages(audit: Audit) -> Iterable[tuple[str, str]]:
    """By role."""
    for raw in (audit.request or {}).get("messages", []):
        try:
            message = msgspec.convert(raw, Message)
        except msgspec.ValidationError:
            yield "message", msgspec.json.encode(raw).decode()
            continue
        kinds = [part.type for part in message.content if not part.text] if isinstance(message.content, list) else []
        yield message.role, "\n".join([message.text, *(f"[{kind}]" for kind in kinds)]).strip()
