"""Cells say what they know, and pages change only between their markers."""

from __future__ import annotations

import pytest

from routenlp.bench.six_tasks.markdown import between_markers, put_between_markers
from routenlp.bench.six_tasks.table import Table, interval, milliseconds
from routenlp.errors import SettingsError
from routenlp.replay.intervals import Interval


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (Interval(0.97, 0.96, 0.98), "0.970 [0.960, 0.980]"),
        (Interval(None, None, None), "–"),
        (Interval(0.5, None, None), "0.500 [no interval]"),
    ],
)
def test_an_interval_that_is_not_known_is_never_written_as_zero(value, cell):
    assert interval(value) == cell


def test_latencies_are_in_milliseconds():
    assert milliseconds(Interval(0.0042, 0.004, None)) == "4.20 [4.00, ?]"
    assert milliseconds(Interval(1.5, 1.25, 2.0)) == "1500 [1250, 2000]"


def test_a_table_becomes_markdown():
    assert Table("T", ("a", "b"), (("1", "2"),)).markdown() == "**T**\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_only_what_stands_between_the_markers_is_replaced(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x: begin -->\nold\n<!-- x: end -->\nafter\n")
    put_between_markers(page, "x", "new")
    assert page.read_text() == "before\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nafter\n"
    assert between_markers(page.read_text(), "x") == "new"


def test_a_page_without_the_markers_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here")
    with pytest.raises(SettingsError, match="x: begin"):
        put_between_markers(page, "x", "new")
    assert page.read_text() == "nothing here"
