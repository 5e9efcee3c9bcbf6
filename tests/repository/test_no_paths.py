"""Nothing in the repository depends on the machine that it was written on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

# Put together from pieces, so that this file does not offend its own rule.
_FOLDERS = "|".join(["wo" + "rk", "fa" + "rm", "ro" + "ot", "ho" + "me"])
FORBIDDEN = {
    "registry address": re.compile(r"(index|registry)[-_]?url|find[-_]links", re.IGNORECASE),
    "path of one machine": re.compile(rf"(?<![\w.~$}}/-])/({_FOLDERS})/"),
}


def offences(text: str) -> list[str]:
    lines = enumerate(text.splitlines(), start=1)
    return [f"line {n}: {what}" for n, line in lines for what, rule in FORBIDDEN.items() if rule.search(line)]


def test_no_file_names_a_registry_or_a_machine(repository: Path, tracked_files: list[Path]) -> None:
    found: dict[str, list[str]] = {}
    for file in tracked_files:
        if lines := offences(file.read_bytes().decode("utf-8", "replace")):
            found[str(file.relative_to(repository))] = lines
    assert found == {}


@pytest.mark.parametrize(
    "text",
    ["open('/wo" + "rk/x')", "--extra-ind" + "ex-url=x", "REGISTRY" + "_URL", "find" + "-links", "HOME=/ro" + "ot/"],
)
def test_the_rule_sees_what_it_forbids(text: str) -> None:
    assert offences(text) != []


@pytest.mark.parametrize(
    "text", ["../shared/data", "https://example.org/home/x", "$HOME/work/x", "a registry of kinds"]
)
def test_the_rule_lets_the_rest_pass(text: str) -> None:
    assert offences(text) == []
