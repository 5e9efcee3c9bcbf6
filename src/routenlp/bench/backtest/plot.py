"""The quality-cost picture of a backtest."""

from __future__ import annotations

from pathlib import Path

from routenlp.errors import SettingsError
from routenlp.replay.backtest.result import Backtest

HIGHLIGHT = "routenlp"
SHOWN = ("routenlp", "random_mix", "frugalgpt", "hybrid_llm", "routellm_mf", "automix", "knn", "cascade_routing")


def draw(found: Backtest, folder: Path) -> list[Path]:
    """`quality-cost.png` and `.svg` in `folder`. Raises `SettingsError` without matplotlib (extra `backtest`)."""
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise SettingsError("plots", "need matplotlib, which is not installed", "Install routenlp[backtest].") from exc
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots()
    for name in (n for n in SHOWN if n in found.curves):
        cost, quality = zip(*sorted(found.curves[name]), strict=True)
        ours = name == HIGHLIGHT
        axes.plot(
            cost,
            quality,
            label=name,
            linewidth=2.6 if ours else 1.1,
            alpha=1.0 if ours else 0.75,
            zorder=5 - (not ours),
        )
    for system in (s for s in found.systems if s.name.startswith("always:")):
        if system.cost_ratio.estimate is not None and system.quality_ratio.estimate is not None:
            axes.plot(system.cost_ratio.estimate, system.quality_ratio.estimate, "ks", markersize=5)
            name = system.name.removeprefix("always:")
            axes.annotate(
                name,
                (system.cost_ratio.estimate, system.quality_ratio.estimate),
                fontsize=8,
                xytext=(5, -10),
                textcoords="offset points",
            )
    point = found.overall
    axes.plot(
        [point.cost_ratio.estimate],
        [point.quality_ratio.estimate],
        "*",
        color="C3",
        markersize=16,
        label=f"deployed ({found.status})",
        zorder=6,
    )
    axes.axhline(1.0 - found.target.eps, color="grey", linestyle="--", linewidth=1)
    axes.text(
        1.0,
        1.0 - found.target.eps,
        f" target {1 - found.target.eps:.2f}",
        va="bottom",
        ha="right",
        fontsize=8,
        color="grey",
    )
    axes.set_xlabel(f"cost, over always-{found.recording.tiers[-1]}")
    axes.set_ylabel("quality, over the same")
    axes.set_title("Test queries of the first split")
    axes.set_xlim(0.0, 1.05)
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(alpha=0.25)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "quality-cost.png", folder / "quality-cost.svg"]
    for path in paths:
        figure.savefig(path, dpi=150)
    return paths
