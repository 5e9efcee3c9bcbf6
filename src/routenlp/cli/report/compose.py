"""From figures to the document: what a manager reads first, what an auditor asks for last."""

from __future__ import annotations

from datetime import UTC, datetime

from routenlp.bench.six_tasks.table import Table
from routenlp.cli.report import history_tables as history
from routenlp.cli.report import human_tables as human
from routenlp.cli.report import task_tables as tasks
from routenlp.cli.report.cells import day, plural, usd
from routenlp.cli.report.document import Document, Section
from routenlp.cli.report.gather import Gathered
from routenlp.cli.report.summary import facts, summary
from routenlp.conformal.groups import MIN_GROUPS
from routenlp.replay.intervals import DRAWS
from routenlp.replay.report.figures import Figures
from routenlp.store.sql.reported import Period


def compose(found: Figures, read: Gathered, now_s: float) -> Document:
    """`now_s`: when it is written."""
    return Document(
        "What routing saved, and what is known of it",
        _about(found.period, read, now_s),
        facts(found),
        summary(found, read),
        (
            _quality(found, read),
            *_human(found),
            _money(found),
            _changes(found),
            _sampling(found, read),
            _unknown(found),
            _how(),
        ),
    )


def _about(period: Period, read: Gathered, now_s: float) -> str:
    since = "the first record" if period.since_s <= 0.0 else day(int(period.since_s // 86_400))
    until = "now" if period.until_s >= now_s else f"{day(int(period.until_s // 86_400))}, that day not included"
    of = f", task {period.task}" if period.task else ""
    written = datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%d %H:%M")
    return f"Store {read.store.name}{of}, from {since} to {until}. Written {written} UTC."


def _quality(found: Figures, read: Gathered) -> Section:
    words = (
        "The quality ratio is the quality of the answers given over that of the top tier's, on the same audited "
        "requests; the target of quality_ratio at 0.03 is 0.97 or more. 'Kept' means that the whole interval is on the "
        "target's side: what was so in this period, which promises nothing of the next.",
    )
    standing = (tasks.promise_table(read.standing),) if read.standing else ()
    more = _there(tasks.missing_table(found), tasks.judged_table(found))
    return Section("Quality against target", words, (*standing, tasks.quality_table(found), *more))


def _human(found: Figures) -> tuple[Section, ...]:
    if not found.human:
        return ()
    tables = _there(human.human_table(found.human), human.raters_table(found.human))
    return (Section("Human evaluation", human.human_words(found.human), tables),)


def _money(found: Figures) -> Section:
    worst = found.savings.saved_at_worst_usd
    said = () if worst is None else (
        f"Had the top tier answered every audit without a cost on record for nothing, {usd(worst)} would have been "
        "saved.",
    )  # fmt: skip
    rest = _there(tasks.outside_table(found))
    line = history.line_table(found)
    return Section("Money", said, (tasks.money_table(found), tasks.paid_table(found), *rest, line), line=found.timeline)


def _changes(found: Figures) -> Section:
    made = found.changes
    words = (
        f"The store's history has {plural(made.moves, 'move')} of policy versions in all. 'By hand' is what a person "
        "did past the evidence, and what no record explains; 'asked for' is what a person began and evidence decided. "
        "Versions have the ids of `routenlp policies list`, policies the hashes that traces carry.",
    )
    nothing = () if made.made else ("Nothing that serves changed in this period.",)
    tables = _there(history.change_table(found), history.tried_table(found))
    return Section("Changes of policies and thresholds", (*words, *nothing), tables)


def _sampling(found: Figures, read: Gathered) -> Section:
    words = (
        "A request is drawn for an audit from the hash of its id, before its text, its route or an answer is looked "
        "at, and its chance is put on record. Then every allowed tier answers it, and the answers are graded.",
        _kept(found, read),
    )
    now = (history.rate_table(read.standing),) if read.standing else ()
    return Section("How traffic was sampled and filtered", words, (history.sampling_table(found), *now))


def _kept(found: Figures, read: Gathered) -> str:
    kept = found.kept
    settings = read.settings
    rules = "Which words are kept and redacted is unknown, for no settings were read."
    if settings is not None:
        content = settings.content
        redact = ", ".join((*content.redact, "pasted keys"))
        rules = f"Words are kept of: {content.store}, for {content.retain_days:g} days; redacted: {redact}."
    return (
        f"{rules} Of the period's requests {kept.contents:,} have their words on record, {kept.redacted:,} of them "
        f"with something taken out; an audit of these asks every tier the redacted text. {kept.dropped:,} records "
        f"could not be stored, {kept.dropped_audits:,} of them audits."
    )


def _unknown(found: Figures) -> Section:
    return Section("What is not known", points=found.not_known)


def _how() -> Section:
    return Section(
        "How the figures were made",
        points=(
            "Savings: for each request an estimate of the top tier's cost from the tokens of the answer returned, "
            "corrected by the mean difference to what the top tier's answers cost on the audits, weighted by "
            f"1 / chance of being drawn. A task counts from {MIN_GROUPS} audited conversations on.",
            f"Intervals: 95%, from {DRAWS:,} draws of whole conversations with a fixed seed; shares of failures that "
            "people graded: exact (Clopper and Pearson), for as many independent requests as the weights are worth.",
            "Where a judge graded too, its grades are corrected by the random part that people graded.",
            "Costs are those on record at the time, in US dollars; days are of UTC.",
        ),
    )


def _there(*tables: Table | None) -> tuple[Table, ...]:
    return tuple(table for table in tables if table is not None)
