"""What was recorded, of which weights, with which prompts and settings, and how long it takes on a CPU."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from routenlp.backends.local.weights import GGUF, GGUF_SHA256
from routenlp.bench.record import prompts, roles
from routenlp.bench.record.asked import DISTILLED, SMOLLM2, SYSTEM, TUNED
from routenlp.bench.record.latency import Timed
from routenlp.bench.record.plan import SAMPLES
from routenlp.errors import CorruptData, MissingData
from routenlp.store.sealed import sha256_of

MANIFEST = "manifest.json"
FORMAT = "routenlp-recordings/1"
PRICES = {SMOLLM2: 800.0, DISTILLED: 800.0, TUNED: 8_000.0}
"""USD per million tokens, read or written: the paper's for its third tier and its top tier."""


def write_manifest(
    into: Path, tasks: Mapping[str, Mapping[str, object]], *, base_sha256: str, timed: Timed | None, seed: int
) -> dict[str, Any]:
    """Of every task's result. What an earlier manifest knew of tasks and tiers that are not among `tasks`, and of a
    speed that was not measured now, stays.
    """
    path = into / MANIFEST
    known: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    manifest = {
        "format": FORMAT,
        "weights": {"file": GGUF, "sha256": GGUF_SHA256, "dequantised_sha256": base_sha256},
        "seed": seed,
        "prices_usd_per_mtok": PRICES,
        "prompts": {
            "system": SYSTEM,
            "examples": {
                TUNED: {"cs_response": prompts.SHOWN_REPLIES, "fin_summarisation": prompts.SHOWN_SUMMARIES},
                SMOLLM2: {"cs_response": prompts.TURNS_REPLIES, "fin_summarisation": prompts.TURNS_SUMMARIES},
            },
            "sentences_of_a_call": {TUNED: prompts.SENTENCES, SMOLLM2: prompts.BRIEF_SENTENCES},
        },
        "roles": {"generator": roles.GENERATOR, "reranker": roles.RERANKER, "salt": roles.SALT},
        "answers_to_a_query": {SMOLLM2: 1, DISTILLED: 1, TUNED: SAMPLES + 1},
        "latency": {"queries": timed.queries, **asdict(timed.speed)} if timed is not None else known.get("latency"),
        "tasks": joined(known.get("tasks", {}), tasks),
    }
    temporary = path.with_name(f".{MANIFEST}.part")
    temporary.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)
    return manifest


def joined(known: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Dictionaries in dictionaries are joined; else the new value counts."""
    both = {name: joined(known[name], new[name]) for name in known.keys() & new.keys() if _are_maps(known, new, name)}
    return {**known, **new, **both}


def _are_maps(known: Mapping[str, Any], new: Mapping[str, Any], name: str) -> bool:
    return isinstance(known[name], Mapping) and isinstance(new[name], Mapping)


def check_recordings(into: Path) -> dict[str, Any]:
    """The manifest, once every file that it names is what it says. Raises `MissingData`, `CorruptData`."""
    path = into / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        named = {
            f"{task}/{name}": found for task, of in manifest["tasks"].items() for name, found in of["sha256"].items()
        }
    except FileNotFoundError as exc:
        raise MissingData(str(path), "is not there", "Record it: routenlp bench record.") from exc
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CorruptData(str(path), f"is no manifest of recordings ({exc!r})", "Restore it, or record again.") from exc
    for name, wanted in named.items():
        if not (into / name).is_file():
            raise MissingData(str(into / name), "is not there", "Restore it, or record it again.")
        if sha256_of(into / name) != wanted:
            raise CorruptData(str(into / name), "is not what was recorded", "Restore it, or record it again.")
    return manifest
