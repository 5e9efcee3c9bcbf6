"""The report as one page: nothing is loaded from elsewhere, no script runs, it reads without colours or pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from routenlp.bench.six_tasks.table import Table
from routenlp.cli.report.cells import UNKNOWN
from routenlp.cli.report.chart import as_svg
from routenlp.cli.report.document import Document, Section
from routenlp.cli.report.style import STYLE
from routenlp.replay.report.quality import Kept
from routenlp.replay.report.timeline import Timeline

_RANGE = re.compile(r" (\[[^\]]+\])$")
_COMMAND = re.compile(r"`([^`]+)`")
_SHORT = 16
"""Letters up to which what names a row, such as a moment, is not broken."""
_LONG = 60
"""Letters from which a cell gets a wider column."""
_KINDS: Mapping[str, str] = {Kept.YES: "good", Kept.NO: "bad", Kept.NO_TARGET: "dim", UNKNOWN: "dim", "OPEN": "bad"}
"""By the words of a cell: they say it themselves, colour only helps to find them."""
# Tables that are laid out as blocks on a phone would lose their roles with their layout.
_WIDE, _NARROW = 760, 360


def as_html(document: Document) -> str:
    """A whole page, in UTF-8."""
    facts = "".join(
        f"<li><span>{escape(f.label)}</span><b>{escape(f.value)}</b><span>{escape(f.note)}</span></li>"
        for f in document.facts
    )
    words = "".join(f"<p>{_words(text)}</p>" for text in document.summary)
    sections = "".join(_section(i, section) for i, section in enumerate(document.sections))
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(document.title)}</title><style>{STYLE}</style></head>\n<body><main>"
        f'<h1>{escape(document.title)}</h1><p class="about">{escape(document.about)}</p>'
        f'<ul class="facts">{facts}</ul><div class="summary">{words}</div>{sections}</main></body>\n</html>\n'
    )


def _section(number: int, section: Section) -> str:
    head = f"section-{number}"
    points = "".join(f"<li>{_words(point)}</li>" for point in section.points)
    return (
        f'\n<section aria-labelledby="{head}"><h2 id="{head}">{escape(section.heading)}</h2>'
        + "".join(f"<p>{_words(text)}</p>" for text in section.paragraphs)
        + (_figure(section.line) if section.line is not None and section.line.spans else "")
        + "".join(map(_table, section.tables))
        + (f"<ul>{points}</ul>" if points else "")
        + "</section>"
    )


def _words(text: str) -> str:
    return _COMMAND.sub(r"<code>\1</code>", escape(text))


def _figure(line: Timeline) -> str:
    wide, narrow = (as_svg(line, width=width, name=f"chart-{width}") for width in (_WIDE, _NARROW))
    wide, narrow = (svg.replace('"chart"', f'"chart {kind}"') for svg, kind in ((wide, "wide"), (narrow, "narrow")))
    key = '<span class="key paid"></span>paid for serving<span class="key top"></span>always-top, beyond that'
    note = "A hollow dot: too few audited conversations for an interval."
    return f"<figure>{wide}{narrow}<figcaption>{key}. {note}</figcaption></figure>"


def _table(table: Table) -> str:
    title = escape(table.title)
    if not table.rows:
        return f"<p><strong>{title}.</strong> Nothing.</p>"
    heads = "".join(f'<th scope="col" role="columnheader">{escape(head)}</th>' for head in table.heads)
    rows = "".join(_row(table.heads, row) for row in table.rows)
    return (
        f'<div class="table" role="region" tabindex="0" aria-label="{title}"><table role="table">'
        f'<caption>{title}</caption><thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table></div>'
    )


def _row(heads: tuple[str, ...], row: tuple[str, ...]) -> str:
    cells = "".join(_cell(head, cell) for head, cell in zip(heads[1:], row[1:], strict=True))
    kind = ' class="short"' if len(row[0]) <= _SHORT else ""
    return f'<tr role="row"><th scope="row" role="rowheader"{kind}>{escape(row[0])}</th>{cells}</tr>'


def _cell(head: str, cell: str) -> str:
    kinds = _KINDS.get(cell)
    named = f' class="{kinds}"' if kinds else ""
    wide = ' class="long"' if len(cell) > _LONG else ""
    found = _RANGE.search(cell)
    inner = escape(cell)
    if found is not None:
        inner = f'{escape(cell[: found.start()])} <span class="range">{escape(found[1])}</span>'
    return f'<td role="cell" data-head="{escape(head)}"{wide}><span{named}>{inner}</span></td>'
