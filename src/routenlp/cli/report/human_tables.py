"""What people say who compared answers blind; "not yet rated" until they have."""

from __future__ import annotations

from routenlp.bench.six_tasks.table import Table
from routenlp.cli.report.cells import NONE, UNKNOWN, listed, percent_interval, plural, ratio
from routenlp.replay.report.human import NOT_YET, HumanEvaluation


def human_words(found: tuple[HumanEvaluation, ...]) -> tuple[str, ...]:
    """What it is, and how to come to it where nobody has said anything."""
    what = (
        "People compare the answer that a cheaper tier gave with the top tier's to the same query, blind and in a "
        "random order, on a random part of the audits. Equal answers are ties that nobody is asked about. No model's "
        "word counts here. Shares are of the queries that another tier than the top one answered."
    )
    waits = [one.task for one in found if not one.rated]
    if not waits:
        return (what,)
    how = "`routenlp compare serve --rater NAME` asks on a page, `compare export` and `compare import` by a file"
    return what, f"{NOT_YET.capitalize()}: {listed(waits)}. {how}."


def human_table(found: tuple[HumanEvaluation, ...]) -> Table:
    """A row a task."""
    heads = ("task", "as good or better", "better", "as good", "worse", "compared")
    return Table("Answers served beside the top tier's, by people", heads, tuple(map(_row, found)))


def raters_table(found: tuple[HumanEvaluation, ...]) -> Table | None:
    """None where nobody compared anything."""
    heads = ("task", "raters", "compared by several", "alpha", "two raters say the same", "A chosen, of A and B")
    rows = tuple(_raters(one) for one in found if one.verdicts)
    return Table("Those who compared: do they agree, and is the place no reason", heads, rows) if rows else None


def _row(one: HumanEvaluation) -> tuple[str, ...]:
    if not one.rated:
        return (one.task, NOT_YET, *["–"] * 3, f"0 of {plural(one.drawn, 'drawn pair')}" if one.drawn else NONE)
    shares = map(percent_interval, (one.as_good, one.win, one.tie, one.loss))
    return (one.task, *shares, _compared(one))


def _compared(one: HumanEvaluation) -> str:
    other = f"; {one.other_top:,} more against another top tier do not count" if one.other_top else ""
    asked = one.drawn - one.same
    equal = f" and {one.same:,} equal" if one.same else ""
    return f"{one.compared:,} of {asked:,}{equal} ({plural(one.groups, 'conversation')}){other}"


def _raters(one: HumanEvaluation) -> tuple[str, ...]:
    both = one.agreement
    alike = (ratio(both.alpha), percent_interval(both.same)) if both.pairs else (UNKNOWN, UNKNOWN)
    return (
        one.task,
        f"{one.raters:,} ({plural(one.verdicts, 'verdict')})",
        f"{both.pairs:,}",
        *alike,
        percent_interval(one.first_chosen),
    )
