"""One frozen tree of settings, from YAML, with overrides from the environment.

`ROUTENLP_SECTION__KEY=value` overrides `section: {key: value}`; items of a list are named by their number
(`ROUTENLP_PORTFOLIO__0__PRICE__INPUT_USD_PER_MTOK=5`); values are read as YAML. Unknown keys are errors, in the
file and in the environment alike. The environment comes in as an argument; importing this module reads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from routenlp.errors import SettingsError, UnknownPrice

PREFIX = "ROUTENLP_"
NOT_SETTINGS = frozenset({"ROUTENLP_DATA", "ROUTENLP_REQUIRE_DATA"})
"""Variables that begin alike and are something else: where data lies, and that tests must have it."""

NonNegative = Annotated[float, msgspec.Meta(ge=0.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class _Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class PriceSettings(_Frozen, frozen=True):
    """USD per million tokens."""

    input_usd_per_mtok: NonNegative
    output_usd_per_mtok: NonNegative


class TierSettings(_Frozen, frozen=True):
    """One tier; `price` has no default, for an unknown price is an error and never 0."""

    name: Name
    backend: Literal["student", "recorded"]
    model: str | None = None
    price: PriceSettings | None = None


class TaskSettings(_Frozen, frozen=True):
    """How a task is graded and what is asked of it."""

    metric: Literal["accuracy", "entity_f1", "rouge_l"]
    student: Literal["classifier", "tagger", "picker", "retriever"] | None = None
    """Which kind of model the backend `student` trains for it; none: that backend has no answer for the task."""
    handled_at: Share = 1.0
    sla_ms: Positive = 1000.0
    eps: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.03
    """The quality ratio asked for is 1 - eps."""
    alpha: Share = 0.05
    """Level of the paper's conformal rule."""
    delta: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.10
    """Allowed chance that calibration was unlucky, per task and certificate."""


class EncoderSettings(_Frozen, frozen=True):
    """Where the weights of the sentence encoder come from."""

    weights: str = "packaged"
    """`packaged`, `hub`, or a folder that holds model.safetensors and tokenizer.json."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2


class Settings(_Frozen, frozen=True):
    """The whole tree."""

    portfolio: Annotated[tuple[TierSettings, ...], msgspec.Meta(min_length=1)]
    tasks: Annotated[dict[str, TaskSettings], msgspec.Meta(min_length=1)]
    encoder: EncoderSettings = EncoderSettings()
    data_dir: str | None = None
    """Folder that holds `six-tasks/`; absent: looked for (`bench.datasets.locate`)."""
    cache_dir: str = "~/.cache/routenlp"
    """Encodings, encoder weights and downloads."""
    seed: int = 0
    """Of everything that draws: samples, fits, bootstraps."""


def load(path: Path | None, environ: Mapping[str, str], *, default: str) -> Settings:
    """Settings from the file at `path`, or from the YAML text `default`, overridden by `environ`.

    Raises `SettingsError` naming file and key for a missing file, bad YAML, an unknown key or a value out of range.
    """
    source = str(path) if path else "built-in settings"
    text = default if path is None else _text(path)
    try:
        tree: object = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise SettingsError(source, f"is not YAML ({_first_line(exc)})", "Mend the line it names.") from exc
    if not isinstance(tree, dict):
        raise SettingsError(source, "is not a mapping of sections", "See `routenlp.yaml` in the documentation.")
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in NOT_SETTINGS:
            _override(tree, variable, environ[variable])
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as exc:
        raise SettingsError(source, _first_line(exc), "Correct the key; unknown keys are errors.") from exc
    for tier in settings.portfolio:
        if tier.price is None:
            raise UnknownPrice(
                f"portfolio.{tier.name}.price", "is not given", "Give input_usd_per_mtok and output_usd_per_mtok."
            )
    return settings


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(str(path), f"cannot be read ({exc})", "Name a readable UTF-8 file.") from exc


def _override(tree: dict[str, Any], variable: str, raw: str) -> None:
    keys = variable.removeprefix(PREFIX).lower().split("__")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError as exc:
        raise SettingsError(variable, f"is {raw!r}, which is not YAML", "Give a plain value.") from exc
    node: Any = tree
    for key in keys[:-1]:
        node = _child(node, key, variable)
    if isinstance(node, list):
        node[_index(node, keys[-1], variable)] = value
    elif isinstance(node, dict):
        node[_existing(node, keys[-1])] = value
    else:
        raise SettingsError(variable, "does not name a setting", "Write ROUTENLP_SECTION__KEY.")


def _child(node: Any, key: str, variable: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, key, variable)]
    if isinstance(node, dict):
        return node.setdefault(_existing(node, key), {})
    raise SettingsError(variable, f"goes through {key!r}, which is a value", "Write ROUTENLP_SECTION__KEY.")


def _existing(node: dict[str, Any], key: str) -> str:
    """The key of `node` that equals `key` but for case (variables are upper-case), else `key`."""
    return next((k for k in node if k.lower() == key), key)


def _index(node: list[Any], key: str, variable: str) -> int:
    if not key.isdigit() or int(key) >= len(node):
        raise SettingsError(variable, f"names item {key!r} of {len(node)}", f"Use 0 to {len(node) - 1}.")
    return int(key)


def _first_line(exc: Exception) -> str:
    return str(exc).splitlines()[0]
