"""The quality-cost picture of a backtest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from routenlp.errors import SettingsError
from routenlp.replay.backtest.result import Backtest

OURS = "routenlp"
SHOWN = (OURS, "random_mix", "frugalgpt", "hybrid_llm", "routellm_mf", "automix", "knn", "cascade_routing")
FILES = ("quality-cost.png", "quality-cost.svg")


def draw(found: Backtest, folder: Path) -> list[Path]:
    """`FILES` in `folder`. Raises `SettingsError` without matplotlib (extra `backtest`) or where it cannot write."""
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise SettingsError("--plots", "need matplotlib, which is not installed", "Install routenlp[backtest]") from exc
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots()
    _curves(axes, found)
    _single_models(axes, found)
    _target(axes, found)
    _label(axes, found)
    paths = [folder / name for name in FILES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            figure.savefig(path, dpi=150)
    except OSError as exc:
        problem = f"{folder} cannot be written ({exc.strerror})"
        raise SettingsError("--plots", problem, "Name a writable folder") from exc
    return paths


def _curves(axes: Any, found: Backtest) -> None:
    for name in (n for n in SHOWN if n in found.curves):
        cost, quality = zip(*sorted(found.curves[name]), strict=True)
        style = {"linewidth": 2.6, "zorder": 5} if name == OURS else {"linewidth": 1.1, "zorder": 4, "alpha": 0.75}
        axes.plot(cost, quality, label=name, **style)


def _single_models(axes: Any, found: Backtest) -> None:
    for tier in found.recording.tiers:
        [point] = found.curves[f"always:{tier}"]
        axes.plot(*point, "ks", markersize=5)
        axes.annotate(tier, point, fontsize=8, xytext=(5, -10), textcoords="offset points")


def _target(axes: Any, found: Backtest) -> None:
    point, target = found.overall, 1.0 - found.target.eps
    at = ([point.cost_ratio.estimate], [point.quality_ratio.estimate])
    axes.plot(*at, "*", color="C3", markersize=16, label=f"deployed ({found.status})", zorder=6)
    if found.target.walked == "quality_ratio":
        axes.axhline(target, color="grey", linestyle="--", linewidth=1)
        axes.text(1.0, target, f" target {target:.2f}", va="bottom", ha="right", fontsize=8, color="grey")


def _label(axes: Any, found: Backtest) -> None:
    axes.set_xlabel(f"cost, over always-{found.recording.tiers[-1]}")
    axes.set_ylabel("quality, over the same")
    axes.set_title(f"{found.recording.folds['test']:,} test queries of the first split")
    axes.set_xlim(left=0.0)
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(alpha=0.25)
