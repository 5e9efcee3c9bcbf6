"""The six recordings of what real models answered, and what each needs said of its costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from routenlp.errors import MissingData


@dataclass(frozen=True, slots=True)
class Source:
    """One recording."""

    name: str
    """Its file without the ending."""
    has_text: bool = True
    tiers: tuple[str, ...] | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    """USD for a query; only ratios matter here."""
    priced: bool = False
    """Whether `prices.yaml` has a section for it."""


SOURCES = (
    Source(
        "routellm_gpt4_mixtral",
        costs={"mistralai/Mixtral-8x7B-Instruct-v0.1": 0.001, "gpt-4-1106-preview": 0.0245},
    ),
    Source("mmlupro_cot_responses"),
    Source("ulab_llmrouter_9", priced=True),
    Source("mmlupro_calibration"),
    Source("plaut_msp", has_text=False, priced=True),
    # The cheaper of the two is the better one: without asking for them there would be nothing to route.
    Source("routerarena_2", tiers=("gemini-2.0-flash-001", "claude-3-haiku-20240307")),
)


def folder(root: str | None) -> Path:
    """Where the recordings lie. `root`: the folder that holds `outcomes/`. Raises `MissingData`."""
    for base in (Path(root),) if root else (Path("shared/data"), Path("../shared/data")):
        if (base / "outcomes").is_dir():
            return base / "outcomes"
    raise MissingData("ROUTENLP_DATA", "names no folder with outcomes/ in it", "Set it to the folder that holds it")
