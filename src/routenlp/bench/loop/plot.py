"""The loop's curves: cost over lessons, one line an arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from routenlp.bench.loop.arms import ARMS, NONE, RANDOM
from routenlp.bench.loop.course import ALL_ROWS
from routenlp.bench.loop.figures import Figures, Standing
from routenlp.bench.loop.report import best_arm
from routenlp.errors import SettingsError


def draw(found: Figures, path: Path) -> None:
    """A picture, its kind by the path's ending. Raises `SettingsError` without matplotlib or where it cannot write."""
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise SettingsError("--plot", "needs matplotlib, which is not installed", "Install routenlp[backtest]") from exc
    figure = Figure(figsize=(4.2 * (1 + len(found.tasks)), 4.6), layout="constrained")
    panels = figure.subplots(1, 1 + len(found.tasks), squeeze=False)[0]
    best = best_arm(found)
    _panel(panels[0], "mean over tasks", found.standings, best)
    for panel, task in zip(panels[1:], found.tasks, strict=True):
        _panel(panel, task, found.by_task[task], best)
    panels[0].set_ylabel("cost over always-top, at the same quality target")
    panels[0].legend(fontsize=8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as exc:
        raise SettingsError(
            "--plot", f"{str(path)!r} cannot be written ({exc})", "Name a writable .png or .svg"
        ) from exc


def _panel(axes: Any, title: str, standings: tuple[Standing, ...], best: str) -> None:
    by_place = {(s.place.arm, s.place.round): s for s in standings}
    first = by_place[NONE, 0]
    for arm in ARMS:
        points = [first, *(s for s in standings if s.place.arm == arm)]
        if len(points) > 1:
            _line(axes, arm, points, emphasis=arm in (best, RANDOM), shaded=arm in (best, RANDOM))
    final = [s for s in standings if s.place.arm == RANDOM]
    if final:
        axes.axhline(final[-1].cost_ratio.estimate, color="grey", linestyle=":", linewidth=1)
    if (ALL_ROWS, 1) in by_place:
        axes.axhline(
            by_place[ALL_ROWS, 1].cost_ratio.estimate, color="black", linestyle="--", linewidth=1, label=ALL_ROWS
        )
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("lessons")
    axes.set_ylim(bottom=0.0)
    axes.grid(alpha=0.25)


def _line(axes: Any, arm: str, points: list[Standing], *, emphasis: bool, shaded: bool) -> None:
    lessons = [s.lessons for s in points]
    style = {"linewidth": 2.4, "zorder": 5} if emphasis else {"linewidth": 1.1, "zorder": 4, "alpha": 0.8}
    [line] = axes.plot(lessons, [s.cost_ratio.estimate for s in points], marker="o", markersize=3, label=arm, **style)
    if shaded:
        low, high = ([getattr(s.cost_ratio, side) for s in points] for side in ("low", "high"))
        axes.fill_between(lessons, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
