from __future__ import annotations

import time

import pytest

from routenlp.errors import SettingsError
from routenlp.store.content import DAY_S, ContentPolicy

BOTH = ContentPolicy("all")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mail ann.lee+x@mail.example.org now", "mail [email] now"),
        ("call +44 20 7946 0958 or 0049-89-123456", "call [phone] or [phone]"),
        ("(555) 010-4477", "[phone]"),
        ("order 1234567 of 2024", "order 1234567 of 2024"),
        ("12.5 and 3,000 and 1e9", "12.5 and 3,000 and 1e9"),
        ("my key is sk-abcdefghijklmnop1234", "my key is [secret]"),
        ("rnlp_" + "a1" * 32, "[secret]"),
        ("", ""),
        ("data:image/png;base64,iVBORw0KGgo", "[data]"),
    ],
)
def test_what_names_a_person_is_taken_out(text: str, left: str) -> None:
    assert BOTH.clean(text) == left


def test_texts_are_found_wherever_they_are() -> None:
    value = {"messages": [{"role": "user", "content": [{"text": "ann@example.org"}, 7, None, True]}]}
    assert BOTH.clean(value) == {"messages": [{"role": "user", "content": [{"text": "[email]"}, 7, None, True]}]}


def test_rules_that_are_not_asked_for_are_not_applied_but_secrets_always_go() -> None:
    assert ContentPolicy("all", redact=()).clean("ann@example.org sk-abcdefghijklmnop") == "ann@example.org [secret]"


@pytest.mark.parametrize("piece", ["a", "1", "1 ", "a@", "a.", "(", "+1-", "@a.", "sk-", "1-(", "a@a."])
def test_no_text_takes_long(piece: str) -> None:
    began_s = time.perf_counter()
    BOTH.clean(piece * (200_000 // len(piece)))
    assert time.perf_counter() - began_s < 5.0


def test_content_lives_for_so_many_days() -> None:
    assert ContentPolicy("all", retain_days=2).oldest_kept_s(10 * DAY_S) == 8 * DAY_S


@pytest.mark.parametrize("options", [{"redact": ("names",)}, {"retain_days": -1.0}, {"retain_days": float("nan")}])
def test_settings_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        ContentPolicy("all", **options)  # type: ignore[arg-type]
