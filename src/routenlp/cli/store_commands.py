"""The commands that work on the store: keys, status, explain, report, feedback; imported when they run."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from routenlp.cli.store_location import StoreLocation

StoreUrl = Annotated[str | None, typer.Option("--store", help="The store, such as sqlite:///routenlp.db.")]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="YAML settings that name it; else routenlp.yaml in this folder.")
]
JsonTarget = Annotated[str | None, typer.Option("--json", help="Write the figures as JSON: a file, or - for stdout.")]

keys = typer.Typer(help="API keys of the gateway.", no_args_is_help=True)


class BudgetPeriod(StrEnum):
    """What a budget is for, by the calendar of UTC."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(keys, name="keys")
    app.command("status")(status_command)
    app.command("explain")(explain_command)
    app.command("report")(report_command)
    app.command("feedback")(feedback_command)
    app.command("train-tasks")(train_tasks_command)


@keys.command("create")
def create_command(
    name: Annotated[str, typer.Argument(help="Whose it is; for people.")],
    rpm: Annotated[int | None, typer.Option(help="Requests a minute; else no limit.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="What may be spent with it; else no limit.")] = None,
    period: Annotated[BudgetPeriod, typer.Option(help="What the budget is for.")] = BudgetPeriod.MONTH,
    task: Annotated[list[str] | None, typer.Option(help="A task that it may ask; may be repeated; else all.")] = None,
    store: StoreUrl = None,
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
) -> None:
    """Makes a key and shows its secret, once: only a hash of it is kept."""
    from routenlp.cli import keys as command

    limits = command.Limits(rpm, budget_usd, period.value, frozenset(task) if task else None)
    command.create(_location(store, settings).path, name, limits, json_target)


@keys.command("list")
def list_command(store: StoreUrl = None, settings: SettingsFile = None, json_target: JsonTarget = None) -> None:
    """Shows all keys, revoked ones too, without their secrets."""
    from routenlp.cli import keys as command

    command.show(_location(store, settings).path, json_target)


@keys.command("revoke")
def revoke_command(
    key_id: Annotated[str, typer.Argument(help="As `routenlp keys list` shows it.")],
    store: StoreUrl = None,
    settings: SettingsFile = None,
) -> None:
    """The key opens nothing any more; a running gateway knows it within a second."""
    from routenlp.cli import keys as command

    command.revoke(_location(store, settings).path, key_id)


def status_command(
    hours: Annotated[float, typer.Option(help="How far back to look.")] = 24.0,
    store: StoreUrl = None,
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
) -> None:
    """How it stands: requests, tiers, cost, what was saved, what could not be recorded, and each task's promise."""
    from routenlp.cli import status

    found = _location(store, settings)
    status.run(found.path, hours, json_target, found.settings)


def explain_command(
    trace_id: Annotated[str, typer.Argument(help="Of the response's header x-routenlp-trace-id, or the completion's.")],
    store: StoreUrl = None,
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
) -> None:
    """Why this tier: the route, every step with its score and threshold, cost, policy, feedback."""
    from routenlp.cli import explain

    explain.run(_location(store, settings).path, trace_id, json_target)


def report_command(
    since: Annotated[str | None, typer.Option(help="First day of UTC, such as 2026-01-31; else all there is.")] = None,
    until: Annotated[str | None, typer.Option(help="First day that is not in it; else up to now.")] = None,
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    html: Annotated[str | None, typer.Option(help="Also write one page of HTML: a file, or - for stdout.")] = None,
    store: StoreUrl = None,
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
) -> None:
    """For a manager and an auditor: savings, quality against target, every change, sampling, what is not known."""
    from routenlp.cli.report import run

    run.run(_location(store, settings), run.Asked(since, until, task, html, json_target))


def feedback_command(
    about: Annotated[str | None, typer.Argument(help="A completion's id, or a trace's; else give --file.")] = None,
    score: Annotated[float | None, typer.Option(help="Quality of the answer, 0 to 1.")] = None,
    label: Annotated[str | None, typer.Option(help="What the right answer is.")] = None,
    preference: Annotated[str | None, typer.Option(help="Id of an answer that is better.")] = None,
    correction: Annotated[str | None, typer.Option(help="What should have been written.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="JSON lines: id, and score, label, preference or correction.")
    ] = None,
    store: StoreUrl = None,
    settings: SettingsFile = None,
) -> None:
    """Outcomes from outside. The same said twice is stored once; late is not too late."""
    from routenlp.cli import feedback

    said = {"id": about, "score": score, "label": label, "preference": preference, "correction": correction}
    feedback.run(_location(store, settings), said, file)


def train_tasks_command(
    out: Annotated[Path, typer.Option(help="A new folder for the classifier.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="JSON lines or CSV with text and task; else the store's requests.")
    ] = None,
    router: Annotated[
        Path | None, typer.Option(help="The router's folder: with its encoder a query is encoded once for both.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Share of assigned tasks that may be wrong.")] = 0.02,
    miss: Annotated[float, typer.Option(help="Share of a task's queries for which it may be ruled out.")] = 0.01,
    delta: Annotated[float, typer.Option(help="Allowed chance that calibration was unlucky.")] = 0.1,
    seed: int = 0,
    store: StoreUrl = None,
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
) -> None:
    """Learns to name the task of requests that come without one, and proves when it may. Exit code 1 if never."""
    from routenlp.cli import train_tasks
    from routenlp.replay.task_training import TaskPromise

    path = None if files else _location(store, settings).path
    options = train_tasks.Options(router, TaskPromise(alpha, miss, delta), seed)
    train_tasks.run(files or [], path, out, options, json_target)


def _location(url: str | None, settings: Path | None) -> StoreLocation:
    from routenlp.cli.store_location import StoreChoice, store_location

    return store_location(StoreChoice(url, settings), os.environ)
