"""The loop's commands, `routenlp turn` and `routenlp distil`. What they do is imported when they run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from routenlp.cli.options import SettingsFile

ServerSettings = Annotated[
    Path | None, typer.Option("--settings", help="YAML settings; else routenlp.yaml in this folder.")
]
Lessons = Annotated[int, typer.Option(min=1, help="Lessons of each task, at most.")]
Tasks = Annotated[list[str] | None, typer.Option("--task", help="A task that may learn; several times. Else all.")]
JsonTarget = Annotated[str | None, typer.Option("--json", help="Write the figures as JSON: a file, or - for stdout.")]

distil = typer.Typer(help="What a turn of the loop would teach, and to whom.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command("turn")(turn_command)
    app.add_typer(distil, name="distil")


def turn_command(
    settings: ServerSettings = None,
    lessons: Lessons = 500,
    task: Tasks = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop: nothing is spent.")] = False,
    json_target: JsonTarget = None,
) -> None:
    """Turns failures on record into better cheap tiers: a candidate goes into the shadow, or it says why not."""
    from routenlp.cli import turn as command

    if dry_run:
        command.plan(settings, os.environ, command.order_of(lessons, task), json_target)
    else:
        command.turn(settings, os.environ, command.order_of(lessons, task), json_target)


@distil.command("plan")
def plan_command(
    settings: ServerSettings = None, lessons: Lessons = 500, task: Tasks = None, json_target: JsonTarget = None
) -> None:
    """Shows clusters, lessons, their cost, the gain to expect and when it pays. Spends nothing."""
    from routenlp.cli import turn as command

    command.plan(settings, os.environ, command.order_of(lessons, task), json_target)


@distil.command("export")
def export_command(
    base: Annotated[str, typer.Argument(help="The model that is to be trained elsewhere.")],
    out: Annotated[Path, typer.Option(help="A folder for the lessons.")],
    tier: Annotated[str, typer.Option(help="The tier whose next version it will be.")],
    settings: ServerSettings = None,
    lessons: Lessons = 500,
    task: Tasks = None,
) -> None:
    """Writes the next turn's lessons as chat lines for a trainer elsewhere. Spends nothing."""
    from routenlp.cli import turn as command

    command.export(settings, os.environ, command.order_of(lessons, task), command.Export(tier, base, out))


@distil.command("adopt")
def adopt_command(
    folder: Annotated[Path, typer.Argument(help="What `distil export` wrote.")],
    model: Annotated[str, typer.Argument(help="The model that was trained from it, by its name at its endpoint.")],
    out: Annotated[Path, typer.Option(help="A folder for the new version.")],
) -> None:
    """Makes a model that was trained elsewhere a new version of its tier."""
    from routenlp.cli import turn as command

    command.adopt(folder, model, out)


@distil.command("merge")
def merge_command(
    adapter: Annotated[Path, typer.Argument(help="A sealed adapter, as a language model's distiller leaves it.")],
    out: Annotated[Path, typer.Option(help="The GGUF file to write; refuses to overwrite.")],
    weights: Annotated[
        str, typer.Option(help="What it was tuned on: packaged, hub:OWNER/NAME/FILE.gguf, or a GGUF file.")
    ] = "packaged",
    settings: SettingsFile = None,
) -> None:
    """Merges an adapter into its base's weights: one file that `backend: local` serves."""
    from routenlp.cli import merge as command

    command.merge(adapter, out, weights, settings, os.environ)
