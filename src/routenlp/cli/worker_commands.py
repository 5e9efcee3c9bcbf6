"""The commands about audits: the worker that runs them, and labels by people."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="YAML settings; else routenlp.yaml in this folder.")
]
label = typer.Typer(
    help="Gold labels: audited queries to a page or a file, and back with what people say.", no_args_is_help=True
)
compare = typer.Typer(
    help="Human evaluation: people compare served answers with the top tier's, blind.", no_args_is_help=True
)
Rater = Annotated[str, typer.Option(help="Who compares: a person.")]

alarms = typer.Typer(help="Tasks whose quality has fallen under what was promised.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(label, name="label")
    app.add_typer(compare, name="compare")
    app.command("worker")(worker_command)
    app.add_typer(alarms, name="alarms")
    app.command("recalibrate")(recalibrate_command)
    app.command("calibrate", help="`recalibrate`, for the first time.")(recalibrate_command)


def worker_command(
    settings: SettingsFile = None,
    once: Annotated[bool, typer.Option("--once", help="Do what can be done now, and end.")] = False,
    pause: Annotated[bool, typer.Option("--pause", help="Have every worker of this store stop working.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Have them go on.")] = False,
) -> None:
    """Runs every allowed tier on audited queries, grades the answers, watches over quality, calibrates again."""
    from routenlp.cli import worker

    if pause or resume:
        worker.switch(settings, os.environ, pause=pause)
        return
    worker.run(settings, os.environ, once=once)


def recalibrate_command(
    settings: SettingsFile = None,
    task: Annotated[str | None, typer.Option(help="This task alone; else all that the policy serves.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come of it, and change nothing.")] = False,
    json_target: Annotated[
        str | None, typer.Option("--json", help="Write it as JSON: a file, or - for stdout.")
    ] = None,
) -> None:
    """Proves a task's policies anew on graded audits, and serves by the best that passes, as a new version."""
    from routenlp.cli import recalibrate

    recalibrate.run(settings, os.environ, task, json_target, dry_run=dry_run)


MostOfEach = Annotated[
    int | None,
    typer.Option("-n", "--most", help="About so many of each task, drawn at random; none: judge.gold, else 100."),
]


@label.command("export")
def export_command(
    out: Annotated[Path, typer.Argument(help="A new file of JSON lines.")],
    task: Annotated[str | None, typer.Option(help="Of this task alone; else of all.")] = None,
    most: MostOfEach = None,
    settings: SettingsFile = None,
) -> None:
    """Writes audited queries that have no gold label, with their answers and without saying whose they are."""
    from routenlp.cli import label as command

    command.run_export(settings, os.environ, out, task, most)


@label.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="What export wrote, with reference or quality filled in.")],
    grader: Annotated[str, typer.Option(help="Who filled it in.")] = "people",
    settings: SettingsFile = None,
) -> None:
    """Stores references and grades; the same again changes nothing, and nothing of a file with an error is stored."""
    from routenlp.cli import label as command

    command.run_import(settings, os.environ, file, grader)


@label.command("serve")
def serve_command(
    task: Annotated[str | None, typer.Option(help="Of this task alone; else of all.")] = None,
    most: MostOfEach = None,
    port: Annotated[int, typer.Option(help="On the loopback; 0: any that is free.")] = 0,
    grader: Annotated[str, typer.Option(help="Who grades.")] = "people",
    settings: SettingsFile = None,
) -> None:
    """Opens a page on this machine alone, where a person grades what export would write, in the same order."""
    from routenlp.cli import label as command

    command.run_serve(settings, os.environ, task, most, port, grader)


@compare.command("export")
def compare_export_command(
    out: Annotated[Path, typer.Argument(help="A new file of JSON lines.")],
    rater: Rater,
    task: Annotated[str | None, typer.Option(help="Of this task alone; else of all whose answers are texts.")] = None,
    most: Annotated[int, typer.Option("-n", "--most", help="About so many of each task, drawn at random.")] = 100,
    settings: SettingsFile = None,
) -> None:
    """Writes queries that a cheaper tier answered, with its answer and the top tier's as A and B in a random order."""
    from routenlp.cli import compare as command

    command.run_export(settings, os.environ, out, rater, task, most)


@compare.command("import")
def compare_import_command(
    file: Annotated[Path, typer.Argument(help="What export wrote, with verdicts filled in: A, B or tie.")],
    settings: SettingsFile = None,
) -> None:
    """Stores verdicts; the same again changes nothing, and nothing of a file with an error is stored."""
    from routenlp.cli import compare as command

    command.run_import(settings, os.environ, file)


@compare.command("serve")
def compare_serve_command(
    rater: Rater,
    task: Annotated[str | None, typer.Option(help="Of this task alone; else of all whose answers are texts.")] = None,
    most: Annotated[int, typer.Option("-n", "--most", help="About so many of each task, drawn at random.")] = 100,
    port: Annotated[int, typer.Option(help="On the loopback; 0: any that is free.")] = 0,
    settings: SettingsFile = None,
) -> None:
    """Opens a page on this machine alone, where a person compares what export would write, in the same order."""
    from routenlp.cli import compare as command

    command.run_serve(settings, os.environ, rater, task, most, port)


@alarms.command("list")
def alarms_list_command(
    settings: SettingsFile = None,
    json_target: Annotated[
        str | None, typer.Option("--json", help="Write them as JSON: a file, or - for stdout.")
    ] = None,
) -> None:
    """Every alarm, what raised it and how it ended. Exits with 1 while one is open."""
    from routenlp.cli import alarms as command

    command.show(settings, os.environ, json_target)


@alarms.command("clear")
def alarms_clear_command(
    task: Annotated[str, typer.Argument(help="The task that its policy is to serve again.")],
    reason: Annotated[str, typer.Option(help="Why that is right; kept with the alarm.")],
    settings: SettingsFile = None,
) -> None:
    """Lets a task's policy serve again, by hand. Calibrating it anew is the better way."""
    from routenlp.cli import alarms as command

    command.clear(settings, os.environ, task, reason)
