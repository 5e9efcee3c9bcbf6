"""`routenlp bench pilot`, before anything heavy is imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

_Settings = Annotated[Path | None, typer.Option("--settings", help="YAML settings in place of the built-in ones.")]
_Json = Annotated[str | None, typer.Option("--json", help="Write the figures as JSON: a file, or - for stdout.")]
_Generated = Annotated[bool, typer.Option("--generated", help="Work on the built-in generated queries, not on data.")]


def add_to(bench: typer.Typer) -> None:
    """Adds the command to the benchmarks."""
    bench.command("pilot")(pilot_bench_command)


def pilot_bench_command(
    settings: _Settings = None,
    json_target: _Json = None,
    quick: Annotated[bool, typer.Option("--quick", help="One week, two tasks, on the fixed sample.")] = False,
    days: Annotated[int | None, typer.Option(min=1, help="How many days, in place of 56.")] = None,
    loop: Annotated[bool, typer.Option(help="Let the loop turn.")] = True,
    http: Annotated[bool, typer.Option(help="Also a short pilot through the real gateway over HTTP.")] = True,
    keep: Annotated[Path | None, typer.Option(help="Folder of the trained system: a second run begins there.")] = None,
    generated: _Generated = False,
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
        markdown=markdown,
        plot=plot,
    )
