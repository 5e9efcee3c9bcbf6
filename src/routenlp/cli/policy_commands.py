"""The commands on policy versions: what serves, what is on trial, and the evidence of every move."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

StoreUrl = Annotated[str | None, typer.Option("--store", help="The store, such as sqlite:///routenlp.db.")]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="YAML settings that name it; else routenlp.yaml in this folder.")
]
JsonTarget = Annotated[str | None, typer.Option("--json", help="Write the figures as JSON: a file, or - for stdout.")]
Version = Annotated[str, typer.Argument(help="Its first digits, as `routenlp policies list` shows them.")]
ByHand = Annotated[str | None, typer.Option("--by-hand", help="Do it without the evidence, for this reason.")]

policies = typer.Typer(help="Versions of the policy: list, show, promote, roll back, compare.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(policies, name="policies")
    app.command("commit")(commit_command)


def commit_command(
    rows: Annotated[Path, typer.Argument(help="JSON lines: queries with every tier's recorded answer and quality.")],
    task: Annotated[str, typer.Option(help="Of the queries.")],
    tier: Annotated[str, typer.Option(help="The cheap tier whose streams are to be released early.")],
    out: Annotated[Path, typer.Option(help="Folder for the policy that commits; must not exist.")],
    at: Annotated[str, typer.Option(help="The commit point: a number of tokens, or sentence.")] = "16",
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
) -> None:
    """Proves a commit rule for streams, and writes the policy in force with it. Exit code 1 where nothing is proved."""
    from routenlp.cli import commit

    commit.run(settings, os.environ, commit.Asked(rows, task, tier, at, out), json_target)


@policies.command("list")
def list_command(store: StoreUrl = None, settings: SettingsFile = None, json_target: JsonTarget = None) -> None:
    """All versions with their states, and which one serves."""
    from routenlp.cli import policies as command

    command.show_all(_path(store, settings), json_target)


@policies.command("show")
def show_command(
    version: Version,
    store: StoreUrl = None,
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
) -> None:
    """One version: its certificates, what became of it, and the numbers that this was decided on."""
    from routenlp.cli import policies as command

    command.show_one(_path(store, settings), version, json_target)


@policies.command("add")
def add_command(
    folder: Annotated[Path, typer.Argument(help="Of a policy, or what `routenlp train` wrote.")],
    store: StoreUrl = None,
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
) -> None:
    """Copies a policy into the store as a draft; it serves nobody yet."""
    from routenlp.cli import policies as command

    command.add(_path(store, settings), folder, json_target)


@policies.command("promote")
def promote_command(
    version: Version,
    to: Annotated[str | None, typer.Option(help="This state; else the next one on the way to active.")] = None,
    share: Annotated[float, typer.Option(help="Of the conversations that a canary serves.")] = 0.05,
    by_hand: ByHand = None,
    store: StoreUrl = None,
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
) -> None:
    """One step on the way to active. Exit code 1 where the evidence for it is not there."""
    from routenlp.cli import policies as command

    command.promote(_path(store, settings), version, command.Step(to, share, by_hand), json_target)


@policies.command("rollback")
def rollback_command(
    reason: Annotated[str, typer.Option(help="Why; kept with the version.")] = "by hand",
    store: StoreUrl = None,
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
) -> None:
    """What is on trial is rejected; where nothing is, the policy before the active one serves again, whole."""
    from routenlp.cli import policies as command

    command.roll_back(_path(store, settings), reason, json_target)


@policies.command("judge")
def judge_command(
    settings: Annotated[Path | None, typer.Option("--settings", help="Those that serve; else routenlp.yaml.")] = None,
    json_target: JsonTarget = None,
) -> None:
    """One look at what is on trial, as the worker takes them: on to the next share, to active, or back."""
    from routenlp.cli import policies as command

    command.judge(settings, os.environ, json_target)


@policies.command("diff")
def diff_command(
    first: Version,
    second: Version,
    store: StoreUrl = None,
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
) -> None:
    """What differs: models, prices, router, thresholds, certificates."""
    from routenlp.cli import policies as command

    command.diff(_path(store, settings), first, second, json_target)


def _path(url: str | None, settings: Path | None) -> Path:
    from routenlp.cli.store_location import StoreChoice, store_location

    return store_location(StoreChoice(url, settings), os.environ).path
