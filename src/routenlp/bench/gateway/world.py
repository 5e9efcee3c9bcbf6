"""A made-up workload: queries of which some are hard, and a router trained on graded answers to them."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from routenlp.conformal.verdict import Status
from routenlp.replay import stored_router
from routenlp.replay.certificates import issue_all
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.trained import train
from routenlp.replay.wanted import Wanted, WantedOfTasks

TIERS = ("small", "mid", "top")
COSTS = {"small": 1e-5, "mid": 1e-4, "top": 1e-3}
TASK = "intent"
_WORDS = [f"word{i}" for i in range(3000)]
_EASY = ("balance", "card", "refund", "limit", "transfer")
_HARD = ("derive", "prove", "clause", "liability", "integral")
_RIGHT = {"small": (0.95, 0.35), "mid": (0.96, 0.70), "top": (0.97, 0.97)}
"""By tier, how often an answer is right: easy queries, hard ones."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One query."""

    text: str
    hard: bool


def queries(n: int, *, seed: int) -> list[Asked]:
    """Of a dozen words or so; three in ten are hard, and one word says so."""
    draw = random.Random(seed)  # noqa: S311  (a workload, no secret)
    out = []
    for _ in range(n):
        hard = draw.random() < 0.3
        out.append(Asked(" ".join([*draw.sample(_WORDS, 11), draw.choice(_HARD if hard else _EASY)]), hard))
    return out


ROUTED = f"auto:{TASK}"


def bodies(n: int, *, seed: int, stream: bool, model: str = ROUTED) -> list[bytes]:
    """Requests of an OpenAI client, each with another query."""
    more = {"stream": True} if stream else {}
    return [
        json.dumps(
            {"model": model, "messages": [{"role": "user", "content": asked.text}], **more},
            separators=(",", ":"),
        ).encode()
        for asked in queries(n, seed=seed)
    ]


def train_router(folder: Path, work: Path, *, seed: int) -> None:
    """As `routenlp train` does, on 1,500 made-up queries, to the new `folder`; `work` holds the outcomes."""
    path = work / "outcomes.csv"
    draw = random.Random(seed)  # noqa: S311
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["query_id", "model", "quality", "cost_usd", "task", "query", "confidence"])
        for i, asked in enumerate(queries(1500, seed=seed)):
            for tier in TIERS:
                right = draw.random() < _RIGHT[tier][asked.hard]
                sure = min(0.999, max(0.3, (0.95 if right else 0.7) + draw.gauss(0.0, 0.05)))
                rows.writerow([i, tier, float(right), COSTS[tier], TASK, asked.text, f"{sure:.3f}"])
    table = read_outcomes(path, models=TIERS)
    wanted = WantedOfTasks(Wanted(serve_when=Status.EMPIRICAL))
    trained = train(table, wanted, tiers=TIERS, calibrate_most=None, seed=seed)
    certificates = issue_all(trained, datetime.now(UTC))
    stored_router.save(folder, trained.encoder, trained.router, trained.stop_rule, certificates)


def settings_text(upstream: str, router: Path, store: Path) -> str:
    """Everything on: routing, scores, keys, budgets, the record."""
    tiers = "\n".join(
        f"  - {{name: {name}, backend: openai, base_url: '{upstream}/v1', model: {name}, "
        f"price: {{input_usd_per_mtok: {usd * 1e4}, output_usd_per_mtok: {usd * 1e4}}}}}"
        for name, usd in COSTS.items()
    )
    return f"""
portfolio:
{tiers}
tasks:
  {TASK}: {{metric: accuracy, serve_when: empirical, budget: {{usd: 1000000, period: total}}}}
policy: {{folder: '{router}'}}
store: {{url: 'sqlite:///{store}'}}
gateway: {{port: 0, admin_port: 0, auth: keys}}
"""
