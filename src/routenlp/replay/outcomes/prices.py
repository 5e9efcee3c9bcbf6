"""What the caller says that models cost, where the recording does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from routenlp.errors import CorruptData, MissingData, SettingsError
from routenlp.portfolio.prices import Price

GivenCost = float | Price
"""USD for each query, or a price per million tokens."""

TOKEN_KEYS = frozenset({"input_usd_per_mtok", "output_usd_per_mtok"})
SHAPE = f"Give USD per query, or {{{', '.join(sorted(TOKEN_KEYS))}}}"


def read_prices(path: Path, recording: str | None) -> dict[str, GivenCost]:
    """Prices by model from a YAML file. A section named `recording` (the outcome file without its endings) goes first.

    Sections of other recordings are passed over. Raises `MissingData`, `CorruptData`, and `SettingsError` that names
    the entry.
    """
    try:
        tree = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError as exc:
        raise MissingData(str(path), "there is no such file", "Name a YAML file with prices by model") from exc
    except OSError as exc:
        raise MissingData(str(path), f"cannot be read: {exc.strerror}", "Check the file's type and rights") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise CorruptData(str(path), f"is not YAML: {exc}", "Write it as `model: USD per query`") from exc
    return prices_from(tree, recording, subject=str(path))


def prices_from(tree: object, recording: str | None, *, subject: str = "prices") -> dict[str, GivenCost]:
    """The same from what such a file holds: a mapping by model, or by recording and model, or both mixed."""
    entries = _mapping(tree, subject)
    sections = {name: value for name, value in entries.items() if _is_section(value)}
    if sections and len(sections) == len(entries) and recording not in sections:
        problem = f"has sections for {', '.join(sections)} and none for {recording or 'a frame'}"
        raise SettingsError(subject, problem, "Add one, or list prices by model without sections")
    flat = {name: value for name, value in entries.items() if name not in sections}
    chosen = flat | _mapping(sections.get(recording or "", {}), subject)
    return {model: _cost(value, f"{subject}: {model}") for model, value in chosen.items()}


def _is_section(value: object) -> bool:
    return isinstance(value, Mapping) and not TOKEN_KEYS & {str(key) for key in value}


def _mapping(tree: object, subject: str) -> dict[str, object]:
    if not isinstance(tree, Mapping):
        raise SettingsError(subject, f"is {type(tree).__name__}, expected prices by model", SHAPE)
    return {str(name): value for name, value in tree.items()}


def _cost(value: object, subject: str) -> GivenCost:
    if isinstance(value, Price):
        return value
    if isinstance(value, Mapping):
        if set(value) != TOKEN_KEYS:
            raise SettingsError(subject, f"has the keys {', '.join(map(str, value))}", SHAPE)
        return Price(**{str(key): _usd(usd, f"{subject}.{key}") for key, usd in value.items()})
    return _usd(value, subject)


def _usd(value: object, subject: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < float("inf"):
        raise SettingsError(subject, f"is {value!r}, expected USD, 0 or more", SHAPE)
    return float(value)
