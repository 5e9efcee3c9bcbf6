"""Which queries belong together."""

from __future__ import annotations

from routenlp.replay.outcomes.groups import group_queries


def test_a_query_is_its_own_group_where_nothing_is_recorded():
    grouping = group_queries([("t", "a"), ("t", "b")], {})
    assert (grouping.groups, grouping.note) == (("a", "b"), None)


def test_recorded_groups_are_taken_and_gaps_are_groups_of_their_own():
    assert group_queries([("t", "a"), ("t", "b"), ("t", "c")], {0: "g", 2: "g"}).groups == ("g", "b", "g")


def test_two_phrasings_of_a_question_are_one_group_and_said_to_be():
    grouping = group_queries([("t", "arc-first-17"), ("t", "arc-second-17"), ("t", "arc-first-18")], {})
    assert grouping.groups == ("arc-*-17", "arc-*-17", "arc-first-18")
    assert grouping.note is not None
    assert "1 sets of ids differ only in the phrasing they name (arc-*-17)" in grouping.note


def test_recorded_groups_are_never_overruled():
    assert group_queries([("t", "x-first"), ("t", "x-second")], {0: "g", 1: "h"}).groups == ("g", "h")


def test_a_part_of_a_word_is_no_phrasing():
    assert group_queries([("t", "firstly-1"), ("t", "secondly-1")], {}).note is None


def test_phrasings_of_different_tasks_are_different_questions():
    assert group_queries([("t", "x-first"), ("s", "x-second")], {}).groups == ("x-first", "x-second")
