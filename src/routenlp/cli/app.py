"""`routenlp`: the commands. Exit codes: 0 done, 1 the answer is no, 2 wrong usage, settings or data."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from routenlp.cli import loop_commands, policy_commands, store_commands, worker_commands
from routenlp.cli.bench_commands import bench
from routenlp.cli.options import Generated, JsonTarget, SettingsFile
from routenlp.errors import RouteNlpError

app = typer.Typer(
    name="routenlp",
    help="Answers each NLP or LLM query at the least cost that keeps its task's quality floor.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data = typer.Typer(help="Public data and encoder weights: pinned, hashed downloads.", no_args_is_help=True)
app.add_typer(bench, name="bench")
app.add_typer(data, name="data")
store_commands.add_to(app)
worker_commands.add_to(app)
policy_commands.add_to(app)
loop_commands.add_to(app)


class Guarantee(StrEnum):
    """The rules that a backtest can be asked to decide by."""

    QUALITY_RATIO = "quality_ratio"
    JOINT = "joint"
    CONDITIONAL = "conditional"
    PAPER = "paper"


class ServeWhen(StrEnum):
    """Statuses under which cheap tiers may serve."""

    CERTIFIED = "certified"
    ASYMPTOTIC = "asymptotic"
    EMPIRICAL = "empirical"


ServerSettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="YAML settings; else routenlp.yaml in this folder.")
]


@app.command()
def demo(
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
    readme: Annotated[Path | None, typer.Option(help="Also put the tables between this file's markers.")] = None,
    generated: Generated = False,
    folder: Annotated[
        Path | None, typer.Option(help="Where the trained system and its record are left; else beside the caches.")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Leave the gateway up in place of asking it.")] = False,
) -> None:
    """Serves six real tasks from three trained tiers, asks them over HTTP, and shows what that saved."""
    if serve:
        from routenlp.cli import demo_serve

        demo_serve.run(settings, os.environ, generated=generated, folder=folder)
    else:
        from routenlp.cli import demo as command

        command.demo(settings, os.environ, json_target, readme=readme, generated=generated, folder=folder)


@app.command("backtest")
def backtest_command(
    outcomes: Annotated[Path, typer.Argument(help="Recorded outcomes: parquet, csv, csv.gz, jsonl or jsonl.gz.")],
    tiers: Annotated[
        str | None, typer.Option(help="Models, cheapest first, with commas; else the efficient ones.")
    ] = None,
    eps: Annotated[
        float, typer.Option(help="Quality that may be lost: the target is 1 - eps of the top tier's.")
    ] = 0.03,
    alpha: Annotated[float, typer.Option(help="Target of the rules joint, conditional and paper.")] = 0.05,
    delta: Annotated[float, typer.Option(help="Allowed chance that calibration was unlucky.")] = 0.1,
    guarantee: Annotated[Guarantee, typer.Option(help="Which rule decides.")] = Guarantee.QUALITY_RATIO,
    repeats: Annotated[int, typer.Option(help="How many random splits.")] = 20,
    seed: int = 0,
    handled_at: Annotated[float | None, typer.Option(help="Quality under which an answer has failed.")] = None,
    cost: Annotated[list[str] | None, typer.Option(help="MODEL=USD for one query; may be repeated.")] = None,
    prices: Annotated[Path | None, typer.Option(help="YAML of prices by model.")] = None,
    task_column: str | None = None,
    split_column: Annotated[str | None, typer.Option(help="Column whose test rows are the test fold.")] = None,
    calibrate_most: Annotated[int | None, typer.Option(help="Use at most so many calibration queries.")] = None,
    json_target: JsonTarget = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for the quality-cost picture, PNG and SVG.")] = None,
) -> None:
    """What routing would have saved on recorded outcomes, certified, against baselines."""
    from routenlp.cli import backtest

    options = backtest.Options(
        [t.strip() for t in tiers.split(",")] if tiers else None,
        eps,
        alpha,
        delta,
        guarantee.value,
        repeats,
        seed,
        handled_at,
        backtest.parse_costs(cost or []),
        prices,
        task_column,
        split_column,
        calibrate_most,
    )
    backtest.run(outcomes, options, json_target, plots)


OptionalOutcomes = Annotated[
    Path | None,
    typer.Argument(help="Recorded outcomes: parquet, csv, csv.gz, jsonl or jsonl.gz. None: preferences alone."),
]
TierNames = Annotated[str | None, typer.Option(help="Models, cheapest first, with commas; else the efficient ones.")]
WeakestStatus = Annotated[ServeWhen, typer.Option(help="The weakest status under which cheap tiers may serve.")]
TheirSettings = Annotated[
    Path | None, typer.Option(help="routenlp.yaml that will serve: tiers, prices and each task's own targets.")
]


@app.command("train")
def train_command(
    outcomes: OptionalOutcomes = None,
    *,
    out: Annotated[Path, typer.Option(help="A new folder for the router.")],
    tiers: TierNames = None,
    eps: Annotated[float, typer.Option(help="Quality that may be lost.")] = 0.03,
    delta: Annotated[float, typer.Option(help="Allowed chance that calibration was unlucky.")] = 0.1,
    alpha: Annotated[float, typer.Option(help="Target of the rules joint and conditional.")] = 0.05,
    guarantee: Annotated[Guarantee, typer.Option(help="Which rule decides.")] = Guarantee.QUALITY_RATIO,
    handled_at: Annotated[float | None, typer.Option(help="Quality under which an answer has failed.")] = None,
    serve_when: WeakestStatus = ServeWhen.ASYMPTOTIC,
    settings: TheirSettings = None,
    encoder: Annotated[str, typer.Option(help="hashed (no download), static, or minilm.")] = "hashed",
    preferences: Annotated[Path | None, typer.Option(help="Preferences beside the outcomes: jsonl or csv.")] = None,
    preference_weight: Annotated[float, typer.Option(help="How much they count beside outcomes.")] = 1.0,
    seed: int = 0,
    cost: Annotated[list[str] | None, typer.Option(help="MODEL=USD for one query; may be repeated.")] = None,
    prices: Annotated[Path | None, typer.Option(help="YAML of prices by model.")] = None,
    task_column: str | None = None,
    split_column: Annotated[str | None, typer.Option(help="Column whose test rows are the test fold.")] = None,
    calibrate_most: Annotated[int | None, typer.Option(help="Use at most so many calibration queries.")] = None,
    json_target: JsonTarget = None,
) -> None:
    """Fits the router and its stop rule to recorded outcomes, certifies them task by task, and stores them."""
    from routenlp.cli import backtest, train
    from routenlp.conformal.verdict import Status
    from routenlp.replay.backtest.certify import Target
    from routenlp.replay.wanted import Wanted

    options = train.Options(
        [t.strip() for t in tiers.split(",")] if tiers else None,
        Wanted(Target(guarantee.value, eps, alpha, delta), Status(serve_when.value)),
        handled_at,
        seed,
        backtest.parse_costs(cost or []),
        prices,
        task_column,
        split_column,
        calibrate_most,
        encoder,
        preferences,
        preference_weight,
        settings,
    )
    if outcomes is None:
        train.run_on_preferences(out, options, os.environ, json_target)
    else:
        train.run(outcomes, out, options, os.environ, json_target)


@app.command("init")
def init_command(
    folder: Annotated[Path, typer.Argument(help="Where to write routenlp.yaml.")] = Path(),
) -> None:
    """Writes commented settings to start from; refuses to overwrite."""
    from routenlp.cli import init

    init.run(folder)


@app.command("doctor")
def doctor_command(
    settings: ServerSettingsFile = None,
    ask: Annotated[bool, typer.Option("--ask/--no-ask", help="Send each tier one short question.")] = True,
    json_target: JsonTarget = None,
) -> None:
    """Checks settings, prices, keys, policy, store and tiers, and says what to do. Exit code 1 if it cannot serve."""
    from routenlp.cli import doctor

    doctor.run(settings, os.environ, json_target, ask=ask)


@app.command("serve")
def serve_command(settings: ServerSettingsFile = None) -> None:
    """The gateway: point any OpenAI client at it."""
    from routenlp.cli import serve

    serve.run(settings, os.environ)


@data.command("get")
def data_get(
    name: Annotated[
        str, typer.Argument(help="banking77, clinc150, unfair-tos, ectsum, routellm; weights: minilm, smollm2.")
    ],
    settings: SettingsFile = None,
    base_url: Annotated[str | None, typer.Option(help="A mirror in place of the public host.")] = None,
) -> None:
    """Downloads a public data set, or the encoder's weights, checked against pinned hashes."""
    from routenlp.cli import downloads

    downloads.get(name, settings, os.environ, base_url)


def main() -> None:
    """The entry point: typed errors become one line on standard error and exit code 2."""
    try:
        app()
    except RouteNlpError as exc:
        sys.stderr.write(f"routenlp: {exc}\n")
        sys.exit(2)
