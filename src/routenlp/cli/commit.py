"""`routenlp commit`: gives the policy in force a commit rule for streams, proved on recorded ones."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from routenlp import wiring
from routenlp.cascade.commit import CommitPoint
from routenlp.cascade.policy import Policy
from routenlp.cli.screen import open_console, show_lines, write_json
from routenlp.cli.serve import settings_file
from routenlp.conformal.certificate import to_json
from routenlp.errors import MissingData, SettingsError
from routenlp.replay.folds import fraction
from routenlp.replay.rungs import fresh
from routenlp.replay.streaming.commit_policy import Committed, StreamRow, commit_policy
from routenlp.replay.streaming.read_rows import read_stream_rows
from routenlp.replay.wanted import Wanted
from routenlp.settings import Settings, load
from routenlp.store import artefacts, policies
from routenlp.types import Parts
from routenlp.worker.renewed import kept_ladders

TRAIN_SHARE = 0.3
"""Of the groups that no fit saw: they choose which thresholds are tried."""
SENTENCE_AT_MOST = 32
"""Tokens, where no sentence ends before."""


@dataclass(frozen=True, slots=True)
class Asked:
    """From the command line."""

    rows: Path
    task: str
    tier: str
    at: str
    out: Path


def run(given: Path | None, environ: Mapping[str, str], asked: Asked, json_target: str | None) -> None:
    """Writes a policy to `out` that commits. Exits with 1, and writes nothing, where nothing was proved."""
    settings = load(settings_file(given), environ, default="")
    point, folder = commit_point(asked.at), _folder(settings)
    if asked.out.exists():
        raise SettingsError(
            "--out", f"{str(asked.out)!r} exists", "Name a folder that does not: nothing is overwritten."
        )
    serving = wiring.serving_policy(settings, folder)
    assert serving is not None  # of a folder
    policy, kept = serving.policy, kept_ladders(folder).get(asked.task)
    _check_names(policy, asked)
    rows = list(read_stream_rows(asked.rows, asked.task))
    train, calibrate = parted(rows, fresh([row.query.text for row in rows], kept).tolist())
    wanted = wiring.wanted(settings, Wanted()).of(asked.task).target
    share = settings.family_delta
    target = wanted if share is None else replace(wanted, delta=share / len(policy.tasks))
    place, now = (asked.task, asked.tier), datetime.now(UTC)
    found = commit_policy(policy, place, point, train, calibrate, target, issued_at=now, seed=settings.seed)
    show_lines(open_console(stderr=json_target == "-"), words(found, asked, len(calibrate)))
    if json_target is not None:
        rule = None if found.rule is None else found.rule.as_json()
        write_json({"rule": rule, "verdict": asdict(found.verdict), "rows": len(calibrate)}, json_target)
    if found.rule is None:
        sys.exit(1)
    write(folder, asked.out, found.policy)


def commit_point(at: str) -> CommitPoint:
    """`16`, or `sentence`."""
    if at == "sentence":
        return CommitPoint(SENTENCE_AT_MOST, sentence=True)
    if not at.isdigit():
        raise SettingsError("--at", f"is {at!r}", "Give a number of tokens, or sentence.")
    return CommitPoint(int(at))


def parted(rows: Sequence[StreamRow], unseen: Sequence[bool]) -> tuple[list[StreamRow], list[StreamRow]]:
    """Rows that choose thresholds, with all that a fit saw among them, and rows that prove; no group is cut."""
    seen = {row.group for row, is_fresh in zip(rows, unseen, strict=True) if not is_fresh}
    trains = [row.group in seen or fraction(row.query.task, row.group) < TRAIN_SHARE for row in rows]
    return (
        [row for row, is_training in zip(rows, trains, strict=True) if is_training],
        [row for row, is_training in zip(rows, trains, strict=True) if not is_training],
    )


def words(found: Committed, asked: Asked, rows: int) -> list[str]:
    """What came of it."""
    verdict = found.verdict
    if found.rule is None:
        return [f"{asked.task}: nothing was proved on {rows:,} rows, and nothing written. {verdict.reason}"]
    bound = "" if verdict.bound is None else f", bound {verdict.bound:.3f}"
    limit = f"{found.rule.threshold:.4f}"
    return [
        f"{asked.task}: {asked.tier} commits at {found.rule.point}, with an uncertainty of {limit} at most; "
        f"{verdict.status} on {rows:,} rows by {verdict.rule}{bound}, streamed and whole. {verdict.reason}",
        f"Written to {asked.out}. Serve it (policy.folder, or routenlp policies add), and say streaming: commit.",
    ]


def write(folder: Path, out: Path, policy: Policy) -> None:
    """The policy's folder again, with another stop rule and other proofs."""
    if (folder / wiring.POLICY).is_dir():
        shutil.copytree(folder, out, ignore=lambda at, _: [wiring.POLICY] if Path(at) == folder else [])
        policies.save(out / wiring.POLICY, policy)
        return
    texts = {task: to_json(certificate) for task, certificate in sorted(policy.certificates.items())}
    proof = Parts("proof/certificates", {}, {"certificates": texts})
    artefacts.write(out, {**artefacts.read(folder), "stop_rule": policy.stop_rule.parts(), "proof": proof})


def _folder(settings: Settings) -> Path:
    folder = wiring.policies_in_force(settings).active
    if folder is None and settings.policy.folder is not None:
        folder = Path(settings.policy.folder).expanduser()
    if folder is None:
        raise MissingData("policy", "is not there: nothing was trained", "Run `routenlp train`, or name a folder.")
    return folder


def _check_names(policy: Policy, asked: Asked) -> None:
    if asked.task not in policy.tasks:
        raise SettingsError("--task", f"is {asked.task!r}", f"The policy serves {', '.join(sorted(policy.tasks))}.")
    if asked.tier not in policy.portfolio.names[:-1]:
        raise SettingsError(
            "--tier", f"is {asked.tier!r}", f"Cheap tiers are {', '.join(policy.portfolio.names[:-1])}."
        )
