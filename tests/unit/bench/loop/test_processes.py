"""Two processes measure what one does, show what they are at, and an error in one is an error here."""

from __future__ import annotations

import io
import os
from pathlib import Path

import msgspec
import pytest
from tests.conftest import REPOSITORY

from routenlp.bench.datasets import generated
from routenlp.bench.loop.course import Plan
from routenlp.bench.loop.measuring import Found, Ground, Order
from routenlp.bench.loop.processes import measure
from routenlp.bench.progress import LineProgress
from routenlp.cli.six_tasks import built_in_settings
from routenlp.errors import SettingsError
from routenlp.replay.folds import split
from routenlp.settings import Settings

TASK = "generated_intent"
ORDERS = [Order(TASK, seed, yardstick=seed == 0) for seed in (0, 1)]


def ground(at_once: int, settings: Settings, keep: Path | None = None) -> Ground:
    rows = generated.generate(TASK)
    return Ground(settings, {TASK: split(TASK, rows.train[:150], rows.test[:60])}, Plan((10,), 0.9), keep, at_once)


def settings(cache: Path) -> Settings:
    return msgspec.structs.replace(built_in_settings(None, {}), cache_dir=str(cache))


def everything(found: Found) -> list[tuple[object, ...]]:
    """Of each point, what does not depend on the clock."""
    return [(p.task, p.seed, p.arm, p.round, p.lessons, *p.cost_usd, *p.quality, p.tier_shares) for p in found.points]


@pytest.mark.slow
@pytest.mark.usefixtures("minilm")
def test_processes_find_what_one_finds_and_what_is_kept_is_used_again(tmp_path: Path) -> None:
    made = settings(Path(os.environ.get("ROUTENLP_CACHE_DIR") or REPOSITORY / ".cache" / "routenlp"))
    shown = io.StringIO()
    one = measure(ORDERS, ground(1, made), LineProgress(shown), lambda: False)
    several = measure(ORDERS, ground(2, made, tmp_path), LineProgress(shown), lambda: False)
    assert [everything(f) for f in several] == [everything(f) for f in one]
    assert [f.held_out_seen for f in several] == [0, 0]
    assert [f.barred for f in several] == [f.barred for f in one]
    assert all(p.seconds > 0.0 for f in several for p in f.points if p.round and p.arm != "all rows")
    assert f"{TASK}, seed 1: done" in shown.getvalue()
    again = measure(ORDERS, ground(2, made, tmp_path), LineProgress(shown), lambda: True)
    assert [everything(f) for f in again] == [everything(f) for f in one]
    assert all(f.before_s > 0.0 for f in again)


def test_an_error_of_a_process_is_raised_here(tmp_path: Path) -> None:
    bad = settings(tmp_path)
    bad = msgspec.structs.replace(bad, encoder=msgspec.structs.replace(bad.encoder, weights=str(tmp_path / "none")))
    with pytest.raises(SettingsError, match="is no folder") as raised:
        measure(ORDERS, ground(2, bad), LineProgress(io.StringIO()), lambda: False)
    assert raised.value.subject == "encoder.weights"
