"""`routenlp policies`: plain words first, then tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from routenlp.bench.six_tasks.table import Table
from routenlp.cli.policy_words import EVIDENCE_TABLES, certificates_table, evidence_words, moment, moves_table
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.errors import SettingsError
from routenlp.loop.lifecycle import State
from routenlp.store.policy_versions import Move, Pointer, PolicyVersions, Version, open_versions, read_versions
from routenlp.store.turn_lock import hold

FOLLOWS = "A running gateway follows within a few seconds."
NEXT_STEP = {
    State.DRAFT: State.CALIBRATED,
    State.CALIBRATED: State.SHADOW,
    State.SHADOW: State.CANARY,
    State.CANARY: State.ACTIVE,
    State.RETIRED: State.ACTIVE,
}
PASSED: Mapping[tuple[State, State], tuple[str, str, tuple[object, ...]]] = {
    (State.CALIBRATED, State.SHADOW): ("gate", "passed", (True,)),
    (State.SHADOW, State.CANARY): ("shadow", "decision", ("pass",)),
    (State.CANARY, State.CANARY): ("canary", "decision", ("advance", "promote")),
    (State.CANARY, State.ACTIVE): ("canary", "decision", ("promote",)),
}
"""The kind of evidence that a step needs, and what it must say. From canary to canary: another share."""


@dataclass(frozen=True, slots=True)
class Step:
    """What `promote` was asked for."""

    to: str | None
    share: float
    by_hand: str | None


def show_all(store: Path, json_target: str | None) -> None:
    """Who serves, then every version."""
    with read_versions(store) as versions:
        pointer, every = versions.pointer(), versions.all()
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *_standing(pointer), ""])
    if every:
        rows = tuple(_row(v, pointer) for v in every)
        heads = ("version", "state", "serves", "made (UTC)", "by", "tasks certified", "instead of")
        show_tables(console, [Table("Versions", heads, rows)])
    if json_target is not None:
        write_json({"pointer": asdict(pointer), "versions": [_as_json(v) for v in every]}, json_target)


def show_one(store: Path, name: str, json_target: str | None) -> None:
    """Raises `MissingData` for what is no version."""
    with read_versions(store) as versions:
        version = versions.find(name)
        moves, pointer = versions.moves(version.id), versions.pointer()
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *_about(version, moves, pointer), ""])
    tables = [certificates_table(version.summary), moves_table(moves)]
    for kind, draw in EVIDENCE_TABLES.items():
        if evidence := _latest(moves, kind):
            tables += draw(evidence)
    show_tables(console, tables)
    if json_target is not None:
        write_json({**_as_json(version), "moves": [asdict(m) for m in moves]}, json_target)


def add(store: Path, folder: Path, json_target: str | None) -> None:
    """A draft, or what is there already."""
    now_s = time.time()
    with hold(store, "policies add", now_s) as held, open_versions(store) as versions:
        version = versions.add(held, folder, origin=f"a person, from {folder.name}", now_s=now_s)
    console = open_console(stderr=json_target == "-")
    show_lines(console, [f"{version.id} is {version.state}. Next: routenlp policies promote {version.id[:8]}"])
    if json_target is not None:
        write_json(_as_json(version), json_target)


def promote(store: Path, name: str, step: Step, json_target: str | None) -> None:
    """One step. Exits with 1 where the evidence is lacking, and says which."""
    now_s = time.time()
    console = open_console(stderr=json_target == "-")
    with hold(store, "policies promote", now_s) as held, open_versions(store) as versions:
        version = versions.find(name)
        after = _asked_state(version, versions.pointer(), step)
        found, lacking = _evidence(versions, version, after)
        if lacking and not step.by_hand:
            show_lines(
                console, [f"{version.id} stays {version.state}: {lacking}", "To do it all the same: --by-hand REASON."]
            )
            if json_target is not None:
                write_json({**_as_json(version), "promoted": False, "lacking": lacking}, json_target)
            sys.exit(1)
        evidence = {"kind": "by hand", "reason": step.by_hand, "lacking": lacking} if step.by_hand else found
        if after is version.state:
            versions.set_share(held, step.share, evidence, now_s=now_s)
        else:
            version = versions.move(held, version.id, after, evidence, now_s=now_s, share=step.share)
        pointer = versions.pointer()
    show_lines(console, [f"{version.id} is {version.state} now.", *_standing(pointer), FOLLOWS])
    if json_target is not None:
        write_json({**_as_json(version), "promoted": True, "pointer": asdict(pointer)}, json_target)


def roll_back(store: Path, reason: str, json_target: str | None) -> None:
    """Raises `IllegalMove` where there is nothing to go back to."""
    now_s = time.time()
    with hold(store, "policies rollback", now_s) as held, open_versions(store) as versions:
        before = versions.pointer()
        pointer = versions.roll_back(held, {"kind": "roll-back", "reason": reason}, now_s=now_s)
    gone = before.candidate or before.active
    console = open_console(stderr=json_target == "-")
    show_lines(console, [f"{gone} was taken back.", *_standing(pointer), FOLLOWS])
    if json_target is not None:
        write_json({"taken_back": gone, "pointer": asdict(pointer)}, json_target)


def judge(given: Path | None, environ: Mapping[str, str], json_target: str | None) -> None:
    """Nothing on trial is an answer too. Raises `SettingsError` without settings that name a store."""
    from routenlp.cli.serve import settings_file
    from routenlp.cli.trials import trial_judge, words
    from routenlp.settings import load
    from routenlp.store.sql.database import locate

    settings = load(settings_file(given), environ, default="")
    if settings.store is None:
        raise SettingsError("store", "is not given, and policies are kept in it", "Give store.url.")
    with trial_judge(settings, locate(settings.store.url)) as trials:
        looked = trials.look()
    console = open_console(stderr=json_target == "-")
    show_lines(console, [words(looked) if looked is not None else "Nothing is on trial."])
    if json_target is not None:
        write_json({"looked": asdict(looked) if looked is not None else None}, json_target)


def diff(store: Path, first: str, second: str, json_target: str | None) -> None:
    """Only what differs."""
    with read_versions(store) as versions:
        one, other = versions.find(first), versions.find(second)
    found = differences(one, other)
    console = open_console(stderr=json_target == "-")
    if not found:
        show_lines(console, [f"{one.id} and {other.id} are the same."])
    else:
        rows = tuple((d["what"], _short(d["first"]), _short(d["second"])) for d in found)
        show_lines(console, ["", f"{len(found)} things differ between {one.id} and {other.id}.", ""])
        show_tables(console, [Table("Differences", ("what", one.id[:8], other.id[:8]), rows)])
    if json_target is not None:
        write_json({"first": one.id, "second": other.id, "differences": found}, json_target)


def differences(first: Version, second: Version) -> list[dict[str, Any]]:
    """`what` differs, in words, with both values; in a fixed order."""
    sides = [dict(_facts(version)) for version in (first, second)]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    pairs = [(name, sides[0].get(name), sides[1].get(name)) for name in names]
    return [{"what": name, "first": a, "second": b} for name, a, b in pairs if a != b]


def _facts(version: Version) -> list[tuple[str, Any]]:
    summary = version.summary
    facts: list[tuple[str, Any]] = []
    for tier in summary["tiers"]:
        facts += [(f"tier {tier['name']}: {key}", value) for key, value in tier.items() if key != "name"]
    facts += [(f"model of {tier}, {task}", h) for tier, by in summary["models"].items() for task, h in by.items()]
    facts += [(f"files of {path}", digest) for path, digest in sorted(version.artefacts.items()) if path != "policy"]
    facts += [(name.replace("_", " "), digest) for name, digest in sorted(summary["parts"].items())]
    facts += [
        (f"threshold of {task} at {tier}", limit)
        for task, tiers in sorted(summary["thresholds"].items())
        for tier, limit in tiers.items()
    ]
    for name, task in sorted(summary["tasks"].items()):
        proof = task["certificate"] or {}
        facts.append((f"status of {name}", task["status"]))
        facts += [(f"certificate of {name}: {key}", proof.get(key)) for key in ("rule", "target", "bound", "n")]
    return facts


def _asked_state(version: Version, pointer: Pointer, step: Step) -> State:
    if step.to is not None:
        try:
            return State(step.to)
        except ValueError as exc:
            raise SettingsError("--to", f"is {step.to!r}", f"Name a state: {', '.join(State)}.") from exc
    if version.state is State.CALIBRATED and pointer.active is None:
        return State.ACTIVE
    if version.state not in NEXT_STEP:
        raise SettingsError(f"policy {version.id}", f"is {version.state}", "There is no step from there to active.")
    return NEXT_STEP[version.state]


def _evidence(versions: PolicyVersions, version: Version, after: State) -> tuple[dict[str, Any], str]:
    """What the step rests on, and what it lacks, in words."""
    if after is State.ACTIVE and versions.pointer().active is None:
        return {"kind": "first"}, ""
    if after is State.CALIBRATED:
        return {"kind": "by hand", "reason": "its certificates are its own"}, ""
    if (version.state, after) not in PASSED:
        return {}, f"no test leads from {version.state} to {after}."
    kind, key, wanted = PASSED[version.state, after]
    found = _latest(versions.moves(version.id), kind)
    if found is None:
        return {}, f"there is no evidence of a {kind} yet."
    return dict(found), "" if found[key] in wanted else evidence_words(found)


def _latest(moves: list[Move], kind: str) -> Mapping[str, Any] | None:
    return next((m.evidence for m in reversed(moves) if m.evidence.get("kind") == kind), None)


def _standing(pointer: Pointer) -> list[str]:
    if pointer.active is None:
        return ["No version is active: the settings' policy.folder serves, or the top tier where there is none."]
    lines = [f"{pointer.active} serves."]
    if pointer.candidate is not None:
        how = f"serves {pointer.share:.0%} of the conversations" if pointer.share else "is in shadow and serves nobody"
        lines.append(f"{pointer.candidate} {how}.")
    if pointer.previous is not None:
        lines.append(f"A roll-back goes to {pointer.previous}." if pointer.candidate is None else "")
    return [line for line in lines if line]


def _about(version: Version, moves: list[Move], pointer: Pointer) -> list[str]:
    certified = sum(task["certificate"] is not None for task in version.summary["tasks"].values())
    lines = [
        f"{version.id} is {version.state}. Made {moment(version.made_s)} UTC by {version.origin}"
        + (f", while {version.parent} served." if version.parent else "."),
        f"{certified} of {len(version.summary['tasks'])} tasks have certificates that were proved for it.",
    ]
    if version.id in (pointer.active, pointer.candidate):
        lines += _standing(pointer)[:2]
    return [*lines, f"Last: {evidence_words(moves[-1].evidence)}"] if moves else lines


def _row(version: Version, pointer: Pointer) -> tuple[str, ...]:
    serves = {pointer.active: 1.0 - pointer.share, pointer.candidate: pointer.share}.get(version.id, 0.0)
    tasks = version.summary["tasks"].values()
    certified = sum(task["status"] in ("certified", "asymptotic") for task in tasks)
    return (
        version.id,
        str(version.state),
        f"{serves:.0%}",
        moment(version.made_s),
        version.origin,
        f"{certified} of {len(tasks)}",
        (version.parent or "–")[:8],
    )


def _as_json(version: Version) -> dict[str, Any]:
    return {**asdict(version), "state": str(version.state)}


def _short(value: object) -> str:
    if value is None:
        return "–"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text[:12] if len(text) == 64 else text
