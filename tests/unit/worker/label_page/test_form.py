"""A form is a line of a label file, or it is refused with words; nothing in between."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.worker.label_page.form import BadForm, read_form


def test_a_form_is_a_line_of_a_label_file():
    filled = read_form(b"id=t1&reference=++two%0D%0Alines+&quality-A=1&quality-B=0.25")
    assert json.loads(filled.line()) == {"id": "t1", "reference": "two\nlines", "quality": {"A": 1.0, "B": 0.25}}
    assert not filled.put_off


def test_an_empty_reference_is_none():
    assert read_form(b"id=t1&reference=+&put-off=1").reference is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"id=",
        b"reference=x",
        b"id=t1&id=t2",
        b"id=t1&state=graded",
        b"id=t1&quality-A=good",
        b"id=t1&quality-A=nan",
        b"id=t1&quality-A=1.5",
        b"id=t1&quality-A=-1",
        b"id=t1&quality-A=inf",
        b"id=t1&reference=%FF",
        b"id=t1&reference=\xff",
        b"&".join(b"quality-%d=1" % i for i in range(100)),
        b'{"id": "t1"}',
    ],
)
def test_anything_else_is_refused_in_words(body):
    with pytest.raises(BadForm, match=r"\w\.$"):
        read_form(body)


@given(st.binary(max_size=200))
def test_no_bytes_break_it(body):
    with suppress(BadForm):
        json.loads(read_form(body).line())
