"""Progress: few lines where nobody watches, bars where somebody does."""

from __future__ import annotations

import io

import pytest

from routenlp.bench.progress import BarProgress, LineProgress, progress_on


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_stage_says_when_it_is_done() -> None:
    stream, clock = io.StringIO(), Clock()
    with LineProgress(stream, clock).stage("training cs_intent"):
        clock.now_s += 2.5
    assert stream.getvalue() == "training cs_intent: done after 2.5 s\n"


def test_one_line_in_ten_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    with LineProgress(stream, clock).stage("encoding") as advance:
        for done in range(1, 26):
            clock.now_s += 1.0
            advance(done * 100, 2_500)
    assert stream.getvalue().splitlines() == [
        "encoding: 1,000 of 2,500",
        "encoding: 2,000 of 2,500",
        "encoding: done after 25.0 s",
    ]


def test_a_stage_that_fails_does_not_say_done() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyError), LineProgress(stream, Clock()).stage("encoding"):
        raise KeyError
    assert stream.getvalue() == "encoding: stopped after 0.0 s\n"


def test_bars_nest_and_end() -> None:
    terminal = Terminal()
    progress = progress_on(terminal)
    with progress.stage("tasks [all]") as tasks:
        with progress.stage("training cs_intent") as advance:
            advance(3, 10)
        tasks(1, 1)
    shown = terminal.getvalue()
    assert "tasks [all]" in shown
    assert "training cs_intent" in shown
    assert "10/10" in shown


def test_what_is_no_terminal_gets_lines() -> None:
    assert isinstance(progress_on(Terminal()), BarProgress)
    assert isinstance(progress_on(io.StringIO()), LineProgress)
