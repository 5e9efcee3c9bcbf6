"""`routenlp demo`: a gateway on a trained system, asked over HTTP, and what that saved; or left up to be asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

from routenlp import wiring
from routenlp.bench.demo import live, savings, stories
from routenlp.bench.demo.folder import DemoFolder
from routenlp.bench.demo.savings import Saved
from routenlp.bench.frame import at_most
from routenlp.bench.progress import Progress, progress_on
from routenlp.bench.six_tasks import parts, report, together, workload
from routenlp.bench.six_tasks.markdown import put_between_markers
from routenlp.bench.six_tasks.run import Result, run
from routenlp.bench.six_tasks.table import Table
from routenlp.bench.six_tasks.together import Done
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.serve import check_installed
from routenlp.cli.six_tasks import built_in_settings, read_rows
from routenlp.replay.backtest.threads import one_thread
from routenlp.settings import Settings

LIMITS = {"seconds": 240.0, "peak_rss_mb": 3072.0}


@dataclass(frozen=True, slots=True)
class Finished:
    """A demo that was prepared, measured and asked."""

    settings: Settings
    folder: DemoFolder
    result: Result
    asked: live.Asked
    saved: list[Saved]
    differing: int
    """Answers over HTTP that are not the replay's."""


def demo(
    settings_file: Path | None,
    environ: Mapping[str, str],
    json_target: str | None,
    *,
    readme: Path | None,
    generated: bool,
    folder: Path | None,
) -> None:
    """Trains, serves, asks; ends with plain words, tables, three traces, and what to do next."""
    check_installed("routenlp demo")
    settings = built_in_settings(settings_file, environ)
    place = demo_folder(settings, folder, generated=generated)
    with place.held():
        done = _run(settings, environ, place, progress_on(sys.stderr), generated=generated)
        console = open_console(stderr=json_target == "-")  # tables make room where standard output carries the JSON
        _show(console, done)
    if readme is not None:
        put_between_markers(readme, "demo", as_page(done))
    if json_target is not None:
        write_json(_as_json(done), json_target)


def demo_folder(settings: Settings, given: Path | None, *, generated: bool) -> DemoFolder:
    """The folder named, else one beside the caches, which `make serve` finds again."""
    return DemoFolder(given or wiring.cache_dir(settings) / ("demo-generated" if generated else "demo"))


def prepare(
    settings: Settings, environ: Mapping[str, str], folder: DemoFolder, progress: Progress, *, generated: bool
) -> Result:
    """Trains and measures on the fixed sample; what is needed to serve lies in `folder` then."""
    if not generated:
        _download_if_none(settings, environ, progress)
    folder.clear()
    rows = read_rows(settings, environ, progress, quick=True, generated=generated)
    with one_thread():
        result = run(settings, rows, folder.system, progress, rivals=False)
    folder.write(settings, result.examples.values())
    return result


def _run(
    settings: Settings, environ: Mapping[str, str], folder: DemoFolder, progress: Progress, *, generated: bool
) -> Finished:
    begun_s = time.perf_counter()
    result = prepare(settings, environ, folder, progress, generated=generated)
    asked = live.ask(folder, list(result.examples.values()), progress, seed=settings.seed)
    frame = result.prepared.frame
    saved = savings.measure(asked.exchanges, frame.portfolio, frame.tasks)
    traces = {trace.query.id: trace for of_task in result.traces.values() for trace in of_task}
    differing = len(savings.differing(asked.exchanges, traces))
    took = replace(result, seconds=time.perf_counter() - begun_s)
    return Finished(settings, folder, took, asked, saved, differing)


def tables(done: Finished) -> list[Table]:
    """What went over HTTP, then other systems on the same queries, then what is proved."""
    return [savings.table(done.saved), *report.short_tables(done.result)]


def notes(done: Finished) -> list[str]:
    """What a reader must know to read the tables rightly."""
    n = len(done.asked.exchanges)
    live_note = (
        "The first table is of queries that went over HTTP through `routenlp serve`, two at a time, with limits of "
        "time off, so that the savings do not depend on how fast the machine is. The others are replays: every tier "
        "answered each query once, and every system chose among these answers. "
        f"{n - done.differing:,} of {n:,} answers over HTTP are those of the replayed `routenlp`, by the same tiers."
    )
    return [live_note, *report.notes(done.result, done.settings)]


def as_page(done: Finished) -> str:
    """For the README."""
    words = " ".join(savings.words(done.saved, generated=done.result.workload.generated))
    listed = "\n".join(f"- {note}" for note in notes(done))
    return "\n\n".join([words, *(t.markdown() for t in tables(done)), listed])


def _show(console: Console, done: Finished) -> None:
    """The result first, what it rests on last, but for what to do next."""
    result, frame = done.result, done.result.prepared.frame
    console.print()
    show_lines(console, [*savings.words(done.saved, generated=result.workload.generated), ""])
    first, *others = tables(done)
    show_tables(console, [first])
    chosen = stories.choose(done.asked.exchanges, frame.portfolio.top)
    told = stories.tell(chosen, done.folder.store, frame.portfolio, frame.tasks)
    console.print("[bold]Three queries, step by step[/bold]\n")
    show_lines(console, [story + "\n" for story in told])
    show_tables(console, others)
    show_lines(console, notes(done), bullet="- ")
    console.print("\n[bold]What to do next[/bold]\n")
    show_lines(console, _next(done, chosen[0].trace_id if chosen else "TRACE"))
    show_lines(console, [f"\nDone in {result.seconds:.0f} s with at most {result.peak_rss_mb:.0f} MB of memory."])


def _next(done: Finished, trace_id: str) -> list[str]:
    command, settings = command_name(), str(done.folder.settings)
    return [
        "Leave this gateway up, and ask it yourself:",
        "    make serve",
        "Point any OpenAI client at a gateway by its address, with `auto:TASK` as the model:",
        '    client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="rnlp_...")',
        f'    client.chat.completions.create(model="auto:{done.saved[0].task}", messages=[...])',
        "See why a query was answered by whom, and how it all stands:",
        f"    {command} explain {trace_id} --settings {settings}",
        f"    {command} status --settings {settings}",
        "Put your own models behind it; see first what routing would have saved on your log:",
        f"    {command} init .",
        f"    {command} backtest OUTCOMES",
    ]


def command_name() -> str:
    """How this command was called, so that the next one can be copied."""
    called = Path(sys.argv[0])
    try:
        return str(called.resolve().relative_to(Path.cwd())) if called.parent != Path() else called.name
    except ValueError:
        return called.name


def _as_json(done: Finished) -> dict[str, object]:
    whole = Done(parts.whole(done.settings, done.result.workload), done.result, {}, {})
    found = together.as_json([whole], bench="demo", limits=LIMITS)
    every: Sequence[Table] = tables(done)
    shown = {t.title for t in every}
    others = [t for t in found["tables"] if t["title"] not in shown]  # type: ignore[attr-defined]
    errors = sum(exchange.text is None for exchange in done.asked.exchanges)
    return {
        **found,
        "headline": " ".join(savings.words(done.saved, generated=done.result.workload.generated)),
        "tables": [*(asdict(t) for t in every), *others],
        "notes": notes(done),
        "folder": str(done.folder.root),
        "http": {"seconds": round(done.asked.seconds, 1), "rows": [asdict(row) for row in done.saved]},
        "checks": [
            *found["checks"],  # type: ignore[misc]
            at_most("answers over HTTP that differ from the replay's", float(done.differing), 0.0),
            at_most("queries over HTTP that were answered with an error", float(errors), 0.0),
        ],
    }


def _download_if_none(settings: Settings, environ: Mapping[str, str], progress: Progress) -> None:
    """Where no data lies, try the public sources once; without a network the generated workload follows."""
    if settings.data_dir or environ.get("ROUTENLP_DATA") or workload.find(settings, None) is not None:
        return
    from routenlp.bench.datasets.download import get
    from routenlp.errors import DataError

    with progress.stage("no data found; trying the public downloads"):
        for name in ("banking77", "unfair-tos", "ectsum"):
            try:
                get(name, into=wiring.cache_dir(settings) / "data", timeout_s=10.0)
            except DataError as exc:
                sys.stderr.write(f"{exc}\nGoing on with what there is.\n")
                return
