"""The pilot as a timeline: cost, quality, certificates, alarms and turns, with the episodes behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from routenlp.bench.pilot.figures import called
from routenlp.bench.pilot.traffic import BEGIN_S, DAY_S
from routenlp.bench.pilot.world import World
from routenlp.errors import SettingsError

ROLLING_DAYS = 3
_STATUS = {"CERTIFIED": "#1a7f4b", "ASYMPTOTIC": "#6fbf8f", "EMPIRICAL": "#e0b94f", "UNCERTIFIED": "#c9c9c9"}


def draw(world: World, path: Path) -> None:
    """A picture, its kind by the path's ending. Raises `SettingsError` without matplotlib or where it cannot write."""
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise SettingsError("--plot", "needs matplotlib, which is not installed", "Install routenlp[backtest]") from exc
    figure = Figure(figsize=(13.0, 9.5), layout="constrained")
    cost, quality, states = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1.6])
    _episodes(world, (cost, quality, states))
    _cost(world, cost)
    _quality(world, quality)
    _states(world, states)
    states.set_xlabel("day of the pilot")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=105)
    except (OSError, ValueError) as exc:
        raise SettingsError(
            "--plot", f"{str(path)!r} cannot be written ({exc})", "Name a writable .png or .svg"
        ) from exc


def _episodes(world: World, panels: tuple[Any, ...]) -> None:
    for number, episode in enumerate(e for e in world.plan.episodes if e.first_day < world.plan.days):
        end = world.plan.days if episode.end_day is None else min(episode.end_day, world.plan.days)
        stays = episode.end_day is None
        for axes in panels:
            if stays:
                axes.axvline(episode.first_day, color="#8888aa", linewidth=1.2, linestyle="--")
            else:
                axes.axvspan(episode.first_day, end, color="#8888aa", alpha=0.16, linewidth=0)
        panels[0].annotate(
            episode.name.replace(" (simulated)", ""),
            (episode.first_day + 0.2, 1.02 + 0.09 * (number % 3)),
            xycoords=("data", "axes fraction"),
            fontsize=8,
            color="#444466",
        )


def _daily(world: World, which: Any, top: str, bottom: str) -> Any:
    """Over a few days up to each."""
    days = world.plan.days
    a, b = (
        np.bincount(world.day[which], weights=getattr(world.served, name)[which], minlength=days)
        for name in (top, bottom)
    )
    kernel = np.ones(ROLLING_DAYS)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.convolve(a, kernel)[:days] / np.convolve(b, kernel)[:days]


def _cost(world: World, axes: Any) -> None:
    x = np.arange(world.plan.days) + 0.5
    axes.plot(x, _daily(world, world.counted, "cost_usd", "top_cost_usd"), color="black", linewidth=2.2, label="all")
    for task in world.tasks:
        axes.plot(
            x, _daily(world, world.of_task(task), "cost_usd", "top_cost_usd"), linewidth=1.2, label=called(world, task)
        )
    axes.set_ylabel("cost of serving over always-top")
    axes.set_ylim(0.0, 1.25)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="upper center", ncols=6, framealpha=0.9)


def _quality(world: World, axes: Any) -> None:
    x = np.arange(world.plan.days) + 0.5
    for task in world.tasks:
        ratio = _daily(world, world.of_task(task), "quality", "top_quality")
        axes.plot(x, ratio, linewidth=1.3, label=task)
    axes.axhline(0.97, color="grey", linestyle=":", linewidth=1.2)
    axes.text(0.3, 0.9705, "target 0.97", fontsize=8, color="grey")
    for alarm in world.evidence.alarms:
        day = (alarm.raised_s - BEGIN_S) / DAY_S
        colour = f"C{world.tasks.index(alarm.task)}" if alarm.task in world.tasks else "black"
        axes.axvline(day, color=colour, linewidth=1.3)
        axes.annotate("alarm", (day, 0.02), xycoords=("data", "axes fraction"), fontsize=7, rotation=90, color=colour)
    axes.set_ylabel(f"quality over the top tier's, {ROLLING_DAYS} days")
    axes.set_ylim(0.80, 1.01)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower left", ncols=3, framealpha=0.9)


def _states(world: World, axes: Any) -> None:
    """A bar a task: its status day by day; a tick where it was calibrated again, a star for a turn."""
    order = list(reversed(world.tasks))
    for one in world.standings:
        if one.task in order:
            colour = _STATUS.get(one.status.upper(), "#c9c9c9")
            axes.barh(order.index(one.task), 1.0, left=one.day, height=0.7, color=colour, linewidth=0)
    for attempt in world.evidence.attempts:
        if attempt.result == "active" and attempt.task in order:
            axes.plot((attempt.at_s - BEGIN_S) / DAY_S, order.index(attempt.task), "|", color="black", markersize=13)
    for turn in world.turns:
        axes.plot(turn.day + 1.0, len(order) - 0.35, "*", color="#7733aa", markersize=10)
    axes.set_yticks(range(len(order)), order, fontsize=8)
    axes.set_ylim(-0.6, len(order) + 0.1)
    axes.set_xlim(0, world.plan.days)
    handles = [axes.barh([0], [0], color=colour, label=name.lower()) for name, colour in _STATUS.items()]
    axes.legend(handles=handles, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False)
    axes.set_ylabel("certificates\n| calibrated  * turn", fontsize=8)
