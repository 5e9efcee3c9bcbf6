"""Tokens to text: every byte of an answer belongs to the token that completed its character."""

from __future__ import annotations

from routenlp.bench.record.generator import _BYTE_OF, texts_of


def test_sizes_sum_to_the_text_and_a_split_character_comes_with_its_last_piece():
    text, sizes = texts_of([b"caf", "é".encode()[:1], "é".encode()[1:], b" \xff!", "€".encode()[:2]])
    assert text == "café !"
    assert sizes == (3, 0, 2, 2, 0)
    assert sum(sizes) == len(text.encode())


def test_names_of_bytes_are_those_of_byte_level_tokenizers():
    from tokenizers.pre_tokenizers import ByteLevel

    assert set(_BYTE_OF) == set(ByteLevel.alphabet())
    assert sorted(_BYTE_OF.values()) == list(range(256))
    assert (_BYTE_OF["Ġ"], _BYTE_OF["Ċ"], _BYTE_OF["A"]) == (32, 10, 65)
