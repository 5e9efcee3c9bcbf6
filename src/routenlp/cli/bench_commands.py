"""`routenlp bench`, before anything heavy is imported."""

from __future__ import annotations

import math
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from routenlp.cli.options import Generated, JsonTarget, RecordingsFolder, SettingsFile

bench = typer.Typer(help="The benchmarks.", no_args_is_help=True)


@bench.command("six-tasks")
def six_tasks_command(
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
    quick: Annotated[bool, typer.Option("--quick", help="A fixed sample of the rows, stated in the notes.")] = False,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; may be repeated.")] = None,
    generated: Generated = False,
    recordings: RecordingsFolder = None,
    markdown: Annotated[Path | None, typer.Option(help="Also put all tables between this file's markers.")] = None,
    readme: Annotated[Path | None, typer.Option(help="Also put the first table between this file's markers.")] = None,
) -> None:
    """Trains, calibrates and tests every system on the six tasks."""
    from routenlp.cli import six_tasks

    six_tasks.bench(
        settings,
        os.environ,
        json_target,
        quick=quick,
        only=task or [],
        generated=generated,
        recordings=recordings,
        markdown=markdown,
        readme=readme,
    )


@bench.command("backtests")
def backtests_command(
    json_target: JsonTarget = None,
    quick: Annotated[bool, typer.Option("--quick", help="2 splits a recording in place of 20.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only this recording; may be repeated.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also put the tables between this file's markers.")] = None,
) -> None:
    """Backtests the six recordings of what real models answered. Exit code 1 where a check misses its target."""
    from routenlp.cli import backtests

    backtests.bench(os.environ, json_target, quick=quick, only=only or [], markdown=markdown)


@bench.command("router")
def router_command(
    json_target: JsonTarget = None,
    quick: Annotated[bool, typer.Option("--quick", help="1 seed in place of 5.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only this recording; may be repeated.")] = None,
    speed: Annotated[bool, typer.Option("--speed", help="Time and size alone: a minute.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="Also put the tables between this file's markers.")] = None,
) -> None:
    """How good the router's estimates are, and how fast. Exit code 1 where a check misses its target."""
    from routenlp.cli import router

    if speed:
        router.bench_speed(os.environ, json_target)
        return
    router.bench(os.environ, json_target, quick=quick, only=only or [], markdown=markdown)


@bench.command("loop")
def loop_bench_command(
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
    quick: Annotated[bool, typer.Option("--quick", help="Two tasks and one seed, without the yardstick.")] = False,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; may be repeated.")] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many seeds, in place of 5 (2 of tasks that write texts).")
    ] = None,
    generated: Generated = False,
    keep: Annotated[
        Path | None, typer.Option(help="Folder of what is measured: a stopped bench goes on there.")
    ] = None,
    limit_s: Annotated[float, typer.Option(min=0.0, help="Begin no other seed after so many seconds.")] = math.inf,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Tasks and seeds at once, a process each; else one a core.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also put the tables between this file's markers.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw the curves, as .png or .svg.")] = None,
) -> None:
    """What lessons bring, by how they are picked: five arms and both rankings. Exit code 1 where a check misses."""
    from routenlp.cli import loop_bench

    loop_bench.bench(
        settings,
        os.environ,
        json_target,
        quick=quick,
        only=task or [],
        seeds=seeds,
        generated=generated,
        keep=keep,
        limit_s=limit_s,
        jobs=jobs,
        markdown=markdown,
        plot=plot,
    )


@bench.command("pilot")
def pilot_bench_command(
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
    quick: Annotated[bool, typer.Option("--quick", help="One week, two tasks, on the fixed sample.")] = False,
    days: Annotated[int | None, typer.Option(min=1, help="How many days, in place of 56.")] = None,
    loop: Annotated[bool, typer.Option(help="Let the loop turn.")] = True,
    http: Annotated[bool, typer.Option(help="Also a short pilot through the real gateway over HTTP.")] = True,
    keep: Annotated[Path | None, typer.Option(help="Folder of the trained system: a second run begins there.")] = None,
    recordings: RecordingsFolder = None,
    generated: Generated = False,
    markdown: Annotated[Path | None, typer.Option(help="Also put the tables between this file's markers.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw the timeline, as .png or .svg.")] = None,
) -> None:
    """Eight simulated weeks with episodes, through the real machine, store, worker and loop. Exit code 1 at a miss."""
    from routenlp.cli import pilot_bench

    pilot_bench.bench(
        settings,
        os.environ,
        json_target,
        quick=quick,
        generated=generated,
        days=days,
        loop=loop,
        http=http,
        keep=keep,
        recordings=recordings,
        markdown=markdown,
        plot=plot,
    )


@bench.command("fresh-domain")
def fresh_bench_command(
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
    quick: Annotated[bool, typer.Option("--quick", help="One order of the documents in place of 3.")] = False,
    task: Annotated[
        list[str] | None, typer.Option(help="Only this task; may be repeated. Else the legal ones.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many orders, in place of 3.")] = None,
    generated: Generated = False,
    markdown: Annotated[Path | None, typer.Option(help="Also put the tables between this file's markers.")] = None,
) -> None:
    """A domain that nobody trained for, met as traffic. Exit code 1 where the loop is refuted."""
    from routenlp.cli import fresh_bench

    fresh_bench.bench(
        settings,
        os.environ,
        json_target,
        quick=quick,
        only=task or [],
        seeds=seeds,
        generated=generated,
        markdown=markdown,
    )


@bench.command("guarantees")
def guarantees_command(
    every: Annotated[bool, typer.Option("--all", help="Every cell, not only those that meet every pair.")] = False,
    json_target: JsonTarget = None,
) -> None:
    """Counts broken promises in simulated worlds whose truth is known, and what keeping them cost."""
    from routenlp.cli import guarantees

    guarantees.run(json_target, every=every)


@bench.command("off-policy")
def off_policy_command(
    quick: Annotated[bool, typer.Option("--quick", help="100 logs a cell in place of 1,000.")] = False,
    json_target: JsonTarget = None,
) -> None:
    """Counts how often estimates from an exploring log hold the truth. Exit code 1 where they do so too seldom."""
    from routenlp.cli import off_policy

    off_policy.run(os.environ, json_target, quick=quick)


@bench.command("store")
def store_bench_command(
    folder: Annotated[
        Path | None, typer.Option(help="A folder on the disk to measure; else that of temporary files.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="5,000 rows 3 times in place of 20,000 rows 7 times.")] = False,
    json_target: JsonTarget = None,
) -> None:
    """Durable rows a second beside bare SQLite, and what a request's record costs. Exit code 1 where a check misses."""
    from routenlp.cli import store_bench

    store_bench.bench(folder, json_target, quick=quick)


@bench.command("gateway")
def gateway_bench_command(
    quick: Annotated[bool, typer.Option("--quick", help="A fifth of the requests, and a short long run.")] = False,
    litellm: Annotated[Path | None, typer.Option(help="A virtual environment that has litellm[proxy].")] = None,
    portkey: Annotated[Path | None, typer.Option(help="A folder with node_modules/@portkey-ai/gateway.")] = None,
    json_target: JsonTarget = None,
) -> None:
    """What the gateway adds: latency, processor, memory, against a stub. Exit code 1 where a target is missed."""
    from routenlp.cli import gateway_bench

    gateway_bench.bench(json_target, quick=quick, litellm=litellm, portkey=portkey)


@bench.command("promotion")
def promotion_bench_command(
    quick: Annotated[bool, typer.Option("--quick", help="5 trials of each candidate in place of 20.")] = False,
    json_target: JsonTarget = None,
    markdown: Annotated[Path | None, typer.Option(help="Also put the table between this file's markers.")] = None,
) -> None:
    """Harmful, neutral and better candidates through gate and canary. Exit code 1 where a wrong one is promoted."""
    from routenlp.cli import promotion_bench

    promotion_bench.bench(os.environ, json_target, quick=quick, markdown=markdown)


@bench.command("streaming")
def streaming_bench_command(
    recordings: Annotated[Path | None, typer.Option(help="Folder of recorded generations; else recordings/.")] = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Simulated worlds, whatever is recorded.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="200 calibrations a mode in place of 1,000.")] = False,
    json_target: JsonTarget = None,
    markdown: Annotated[Path | None, typer.Option(help="Also put the tables between this file's markers.")] = None,
) -> None:
    """Buffered streams and streams with a commit point: time to first token, bill, promise. Exit code 1 at a miss."""
    from routenlp.cli import streaming_bench

    streaming_bench.bench(
        os.environ, json_target, folder=recordings, simulated=simulated, quick=quick, markdown=markdown
    )


@bench.command("calibration-size")
def calibration_size_command(
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
    markdown: Annotated[Path | None, typer.Option(help="Also put all tables between this file's markers.")] = None,
) -> None:
    """The paper's table of violations by calibration size, with each rate it could mean, for all four rules."""
    from routenlp.cli import calibration_size

    calibration_size.run(settings, os.environ, json_target, markdown)


class RecordStep(StrEnum):
    """Steps of a recording that can be run alone."""

    PROMPTS = "prompts"
    SMOLLM2 = "smollm2"
    TUNED = "tuned"
    DISTILLED = "distilled"
    ALL = "all"


@bench.command("record")
def record_command(
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; may be repeated.")] = None,
    work: Annotated[
        Path, typer.Option(help="Folder of what is kept between steps: a stopped run goes on there.")
    ] = Path("bench-results/record"),
    into: Annotated[Path, typer.Option(help="Folder of the recordings.")] = Path("recordings"),
    step: Annotated[RecordStep, typer.Option(help="One step alone, in processes side by side.")] = RecordStep.ALL,
    quick: Annotated[
        bool, typer.Option("--quick", help="Hardly any training, short answers: it proves nothing.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many rows of each fold and role; without the distilled tier.")
    ] = None,
    timed: Annotated[int, typer.Option(min=0, help="Queries that the processor is timed with.")] = 12,
    jobs: Annotated[
        int, typer.Option(min=1, help="Of the distilled tier's three models at once: 20 GB of a card's memory each.")
    ] = 1,
    markdown: Annotated[Path | None, typer.Option(help="Also put the tables between this file's markers.")] = None,
) -> None:
    """Three language models answer every row of the tasks that write texts: hours on a CPU, minutes on a card."""
    from routenlp.cli import record_bench

    record_bench.record(
        settings,
        os.environ,
        json_target,
        only=task or [],
        work=work,
        into=into,
        step=step.value,
        quick=quick,
        limit=limit,
        timed=timed,
        jobs=jobs,
        markdown=markdown,
    )


class LessonsSize(StrEnum):
    """How much is learned and asked."""

    FULL = "full"
    FEW = "few"
    SMALL = "small"


@bench.command("seqkd")
def seqkd_command(
    settings: SettingsFile = None,
    json_target: JsonTarget = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; may be repeated.")] = None,
    work: Annotated[Path, typer.Option(help="The folder of bench record; what is measured is kept there.")] = Path(
        "bench-results/record"
    ),
    recordings: Annotated[Path, typer.Option(help="Folder of the recordings.")] = Path("recordings"),
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 5,
    size: Annotated[
        LessonsSize, typer.Option(help="full; few: a third of the lessons; small: for a CPU, short queries.")
    ] = LessonsSize.FULL,
    jobs: Annotated[
        int, typer.Option(min=1, help="Seeds at once, a process each: 12 GB of a card's memory for one.")
    ] = 1,
    markdown: Annotated[Path | None, typer.Option(help="Also put the tables between this file's markers.")] = None,
) -> None:
    """A language model learns lessons of its failure clusters, or random ones. Exit code 1 where no task gains."""
    from routenlp.cli import record_bench

    record_bench.seqkd(
        settings,
        os.environ,
        json_target,
        only=task or [],
        work=work,
        recordings=recordings,
        seeds=seeds,
        size=size.value,
        jobs=jobs,
        markdown=markdown,
    )
