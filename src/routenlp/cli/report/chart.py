"""The chart of cost and quality over time: an SVG of shapes and words alone, in the page's colours.

Two panels share the days: bars of what was paid within what always-top would have cost, and the quality ratio with its
interval. A day of which nothing is known has no bar and no dot.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from routenlp.cli.report.cells import day, usd
from routenlp.replay.report.timeline import Span, Timeline

_LEFT, _RIGHT, _TOP = 58.0, 8.0, 20.0
_COST, _GAP, _QUALITY, _FOOT = 130.0, 42.0, 90.0, 26.0
HEIGHT = _TOP + _COST + _GAP + _QUALITY + _FOOT


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where things lie."""

    width: float
    spans: Sequence[Span]

    @property
    def step(self) -> float:
        """From one span to the next."""
        return (self.width - _LEFT - _RIGHT) / max(len(self.spans), 1)

    def middle(self, i: int) -> float:
        """Of the i-th span."""
        return _LEFT + (i + 0.5) * self.step


def as_svg(line: Timeline, *, width: int, name: str) -> str:
    """`width`: in the units that its letters are 12 of. `name`: unlike every other chart's of the page."""
    frame = _Frame(float(width), line.spans)
    unit = "day" if line.days_each == 1 else "week"
    told = f"Cost and quality ratio by {unit}; the table below has the same figures."
    shapes = "".join([*_costs(frame, unit), *_qualities(frame), *_days(frame)])
    return (
        f'<svg viewBox="0 0 {width} {HEIGHT:.0f}" role="img" aria-labelledby="{name}" class="chart">'
        f'<title id="{name}">{escape(told)}</title>{shapes}</svg>'
    )


def _costs(frame: _Frame, unit: str) -> Iterator[str]:
    most = max((max(s.top_usd or 0.0, s.paid_usd) for s in frame.spans if s.top_usd is not None), default=0.0)
    floor = _TOP + _COST
    yield _words(0.0, 12.0, f"US dollars a {unit}", "start")
    yield _rule(frame, floor)
    if not most:
        yield _words(_LEFT + 6.0, _TOP + _COST / 2.0, "not measured: too few audits", "start")
        return
    each = _round_step(most)
    for value in (each, 2.0 * each):
        y = floor - value / most * _COST
        yield _words(_LEFT - 6.0, y + 4.0, usd(value).removesuffix(".00"), "end")
        yield _rule(frame, y)
    wide = min(frame.step * 0.7, 36.0)
    for i, span in enumerate(frame.spans):
        if span.top_usd is None:
            continue
        at = frame.middle(i) - wide / 2.0
        for value, kind in ((span.top_usd, "top"), (span.paid_usd, "paid")):
            tall = max(value, 0.0) / most * _COST
            yield f'<rect class="{kind}" x="{at:.1f}" y="{floor - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}"/>'


def _round_step(most: float) -> float:
    """The largest of 1, 2, 2.5, 5 times a power of ten that fits twice."""
    power = 10.0 ** math.floor(math.log10(most / 2.0))
    return max(step * power for step in (1.0, 2.0, 2.5, 5.0) if step * power <= most / 2.0)


def _qualities(frame: _Frame) -> Iterator[str]:
    known = [s.quality_ratio for s in frame.spans if s.quality_ratio.estimate is not None]
    ends = [v for r in known for v in (r.estimate, r.low, r.high) if v is not None]
    low, high = min([0.9, *ends]), max([1.02, *ends])
    top = _TOP + _COST + _GAP

    def height(value: float) -> float:
        return top + (high - value) / (high - low) * _QUALITY

    yield _words(0.0, top - 10.0, "quality ratio (1: as good as always-top)", "start")
    for value in (1.0, low):
        yield _words(_LEFT - 6.0, height(value) + 4.0, f"{value:.2f}", "end")
        yield _rule(frame, height(value))
    if not known:
        yield _words(_LEFT + 6.0, top + _QUALITY / 2.0, "unknown: no graded audits", "start")
    for i, span in enumerate(frame.spans):
        ratio, x = span.quality_ratio, frame.middle(i)
        if ratio.estimate is None:
            continue
        if ratio.low is not None and ratio.high is not None:
            ends_at = f'x1="{x:.1f}" x2="{x:.1f}" y1="{height(ratio.low):.1f}" y2="{height(ratio.high):.1f}"'
            yield f'<line class="whisker" {ends_at}/>'
        kind = "dot" if ratio.low is not None else "dot unsure"
        yield f'<circle class="{kind}" cx="{x:.1f}" cy="{height(ratio.estimate):.1f}" r="4"/>'


def _days(frame: _Frame) -> Iterator[str]:
    """As many dates as have room."""
    every = max(1, -(-78 // max(int(frame.step), 1)))
    for i, span in enumerate(frame.spans):
        if i % every == 0:
            edge = "start" if i == 0 and len(frame.spans) > 1 else "middle"
            x = _LEFT if edge == "start" else min(frame.middle(i), frame.width - 36.0)
            yield _words(x, HEIGHT - 6.0, day(span.day), edge)


def _rule(frame: _Frame, y: float) -> str:
    return f'<line class="rule" x1="{_LEFT}" x2="{frame.width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _words(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
