"""Evidence in plain words and in tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from routenlp.bench.six_tasks.table import Table
from routenlp.store.policy_versions import Move

UNKNOWN = "–"
Evidence = Mapping[str, Any]
_SAID: Mapping[str, Callable[[Evidence], str]] = {
    "gate": lambda e: f"Gate at {e['level']:.3g}: " + " ".join(e["reasons"]),
    "gate rows": lambda e: f"The gate's rows, {sum(len(t['ids']) for t in e['tasks'])} of them, are kept.",
    "gate look": lambda e: f"The gate looks at {e['rows']} rows at {e['level']:.3g}.",
    "shadow": lambda e: "Shadow: " + " ".join(e["reasons"]),
    "canary": lambda e: f"Canary: {e['reason']}",
    "added": lambda e: f"Made by {e['from']}.",
    "first": lambda _: "The first policy: there was none to compare it with.",
    "superseded": lambda e: f"{e['by']} became active.",
    "calibrated": lambda e: "Calibrated: " + "; ".join(f"{p['task']} {p['status']}" for p in e.get("proofs", ())),
    "recalibration": lambda e: " ".join(
        [f"Calibrated again ({e['trigger']}): {e['task']} {e['status']} on {e['n']} audits.", *streams_words(e)]
    ),
    "by hand": lambda e: f"By hand: {e['reason']}",
    "roll-back": lambda e: f"Taken back: {e['reason']}",
}


def evidence_words(evidence: Evidence) -> str:
    """A sentence or two on what a move was decided on; of a kind that is not known here, its keys and values."""
    said = _SAID.get(str(evidence.get("kind")))
    if said is not None:
        return said(evidence)
    return ", ".join(f"{key} {value}" for key, value in evidence.items()) or UNKNOWN


def streams_words(evidence: Evidence) -> list[str]:
    """What became of the task's commit rules, by the evidence; nothing where it has none."""
    commit = evidence.get("commit")
    if commit is None:
        return []
    if not commit["proved"]:
        return [f"Streams are buffered until a commit rule is proved again. {commit['reason']}"]
    return [f"Streams commit, proved on {commit['n']:,} audits: {commit['released']:.0%} are released early."]


def moves_table(moves: list[Move]) -> Table:
    """What became of a version."""
    rows = tuple((moment(m.at_s), str(m.after), f"{m.share:.0%}", m.who, evidence_words(m.evidence)) for m in moves)
    return Table("What became of it", ("when (UTC)", "state", "serves", "who", "on what"), rows)


def certificates_table(summary: Mapping[str, Any]) -> Table:
    """By task."""
    heads = ("task", "status", "rule", "target", "bound", "labels", "groups", "issued")
    return Table(
        "Certificates", heads, tuple(_certificate(name, task) for name, task in sorted(summary["tasks"].items()))
    )


def gate_tables(evidence: Evidence) -> list[Table]:
    """Every number of a gate."""
    quality = tuple(
        (
            f["task"],
            str(f["rows"]),
            str(f["groups"]),
            number(f["lost"], "+.4f"),
            number(f["lost_at_most"]),
            f"{evidence['bar']['margin']:g}",
            f"{f['p_value']:.3g}",
            "holds" if f["holds"] else "not shown",
        )
        for f in evidence["quality"]
    )
    heads = ("task", "rows", "groups", "quality lost", "at most", "margin", "p", "")
    cost = evidence["cost"]
    bill = (
        number(cost["current"], ".3f"),
        number(cost["candidate"], ".3f"),
        number(cost["gain"], "+.4f"),
        number(cost["gain_at_least"]),
        f"{evidence['bar']['least_gain']:g}",
        f"{cost['p_value']:.3g}",
        "holds" if cost["holds"] else "not shown",
    )
    found = [
        Table("Gate: quality", heads, quality),
        Table("Gate: cost, of always-top", ("before", "after", "gain", "at least", "wanted over", "p", ""), (bill,)),
    ]
    if evidence.get("coverage"):
        found.append(coverage_table(evidence["coverage"], "Gate: coverage after the update"))
    if evidence["segments"]:
        parts = tuple(
            (s["task"], str(s["segment"]), str(s["rows"]), number(s["lost"], "+.4f"), "veto" if s["vetoed"] else "")
            for s in sorted(evidence["segments"], key=lambda s: -s["log_evidence"])
        )
        found.append(Table("Gate: segments, the worst first", ("task", "segment", "rows", "quality lost", ""), parts))
    return found


def shadow_tables(evidence: Evidence) -> list[Table]:
    """Live queries, and the coverage diagnostic after the update."""
    live = tuple(
        (
            t["task"],
            str(t["queries"]),
            share(t["same"]),
            share(t["to_top"]),
            share(t["failed"]),
            number(t["served_usd"], ".6f"),
            number(t["candidate_usd"], ".6f"),
        )
        for t in evidence["tasks"]
    )
    heads = ("task", "queries", "same answer", "to the top", "failed", "$ served", "$ candidate")
    return [
        Table("Shadow: live queries", heads, live),
        coverage_table(evidence["coverage"], "Coverage after the update, on audits"),
    ]


def coverage_table(coverage: Sequence[Mapping[str, Any]], title: str) -> Table:
    """What was measured of each task's promise on rows that proved nothing of it."""
    covered = tuple(
        (
            c["task"],
            str(c["rows"]),
            number(c["quality_ratio"]),
            share(c["accepted_and_failed"]),
            share(c["failed_given_accepted"]),
            "contradicted" if c["contradicted"] else ("not contradicted" if c["promise"] else "none"),
        )
        for c in coverage
    )
    rates = ("task", "audits", "quality ratio", "accepted and failed", "failed given accepted", "certificate")
    return Table(title, rates, covered)


def canary_tables(evidence: Evidence) -> list[Table]:
    """Evidence of harm, and of none, by task and segment."""
    rows = tuple(
        (
            s["task"],
            "all" if s["segment"] is None else str(s["segment"]),
            str(s["audits"]),
            number(s["lost"], "+.4f"),
            number(s["log_harm"], ".2f"),
            number(s["log_proof"], ".2f"),
        )
        for s in evidence["streams"]
    )
    heads = ("task", "segment", "audits", "quality lost", "ln e, harm", "ln e, no harm")
    wanted = f"harm at {evidence['log_harm_wanted']:.2f}, proof at {evidence['log_proof_wanted']:.2f}"
    return [Table(f"Canary at {evidence['share']:.0%}: evidence ({wanted})", heads, rows)]


EVIDENCE_TABLES: Mapping[str, Callable[[Evidence], list[Table]]] = {
    "gate": gate_tables,
    "shadow": shadow_tables,
    "canary": canary_tables,
}


def moment(at_s: float) -> str:
    """`2026-01-31 12:00:00`."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def number(value: float | None, form: str = ".4f") -> str:
    """A figure, or a dash where it is not known."""
    return UNKNOWN if value is None else format(value, form)


def share(rate: Mapping[str, Any]) -> str:
    """A rate with its interval."""
    if not rate["of"]:
        return UNKNOWN
    return f"{rate['count'] / rate['of']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}]"


def _certificate(name: str, task: Mapping[str, Any]) -> tuple[str, ...]:
    proof = task["certificate"]
    if proof is None:
        return (name, task["status"], *(UNKNOWN,) * 6)
    return (
        name,
        task["status"],
        proof["rule"],
        f"{proof['target']:g}",
        number(proof["bound"]),
        str(proof["n"]),
        str(proof["groups"]),
        proof["issued_at"][:19].replace("T", " "),
    )
