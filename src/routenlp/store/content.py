"""What of a conversation may be stored: nothing, that of audits, or all, always redacted first. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from routenlp.errors import SettingsError

Keep = Literal["none", "audits", "all"]
DAY_S = 86_400.0

_RULES: Mapping[str, re.Pattern[str]] = {
    # Bounded repetitions: the time stays linear in the text, whatever the text is.
    "email": re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"),
    # Eight digits or more, with the separators that people put between; a bare number under that is left alone.
    "phone": re.compile(r"(?<![\w.])(?:\+|00)?\(?\d(?:[ .()/-]{0,2}\d){7,14}(?!\w)"),
}
_SECRET = re.compile(r"\b(?:rnlp_|sk-)[A-Za-z0-9_-]{16,200}")
"""Keys that somebody pasted into a prompt. Redacted whatever the settings say."""


@dataclass(frozen=True, slots=True)
class ContentPolicy:
    """The settings' section `content`."""

    store: Keep = "none"
    retain_days: float = 30.0
    redact: tuple[str, ...] = ("email", "phone")

    def __post_init__(self) -> None:
        """Raises `SettingsError` for a rule of redaction that does not exist, and for a negative time."""
        unknown = sorted(set(self.redact) - set(_RULES))
        if unknown:
            raise SettingsError("content.redact", f"names {unknown[0]!r}", f"Known: {', '.join(_RULES)}.")
        if not self.retain_days >= 0.0:
            raise SettingsError("content.retain_days", f"is {self.retain_days}", "Give a number of days from 0.")

    def keeps(self, *, audited: bool) -> bool:
        """Whether the content of such a request may be stored."""
        return self.store == "all" or (self.store == "audits" and audited)

    def clean(self, value: object) -> object:
        """JSON values with every text in them redacted, keys of mappings included."""
        rules = [(_SECRET, "[secret]"), *((_RULES[name], f"[{name}]") for name in self.redact)]
        return _over_texts(value, lambda text: _redacted(text, rules))

    def cleaned_answers(self, answers: Mapping[str, str], tokens: Mapping[str, str]) -> dict[str, object]:
        """Both as they are stored: what is known of the tokens of an answer that is changed by it is left out."""
        clean = {tier: self.clean(text) for tier, text in answers.items()}
        kept = {tier: its for tier, its in tokens.items() if tier in answers and clean[tier] == answers[tier]}
        return {"answers": clean, "tokens": kept} if kept else {"answers": clean}

    def oldest_kept_s(self, now_s: float) -> float:
        """Content older than this is deleted."""
        return now_s - self.retain_days * DAY_S


def _redacted(text: str, rules: list[tuple[re.Pattern[str], str]]) -> str:
    if text.startswith("data:"):
        return "[data]"  # an image or a file, which no rule can read
    for rule, instead in rules:
        text = rule.sub(instead, text)
    return text


def _over_texts(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_over_texts(key, change): _over_texts(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_over_texts(inner, change) for inner in value]
    return value
