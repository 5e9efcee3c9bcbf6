"""The real server in a process of its own, and a policy for it to serve by."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from routenlp.backends.encoders.hashed import HashedEncoder
from routenlp.backends.local.weights import version_of
from routenlp.cascade.commit import CommitRule
from routenlp.cascade.committing import Committing
from routenlp.cascade.per_task import RulePerTask
from routenlp.cascade.policy import Policy
from routenlp.cascade.stop_rules import ThresholdCascade
from routenlp.conformal.certificate import Certificate
from routenlp.conformal.verdict import Method, Status
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.router.learned import LearnedRouter
from routenlp.router.reading import SURFACE, SurfaceFrame
from routenlp.router.stack import StackedEstimates
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.store import artefacts, policies
from routenlp.types import Task

TIERS = ("small", "mid", "top")
PRICES = (1.0, 10.0, 100.0)
ROUTED = ("intent", "private", "quick")
WALLS = {"private": ("small", "mid")}
"""A task without a wall has all tiers."""
ADMIN_KEY = "admin-secret-of-tests"
UPSTREAM_KEY = "upstream-secret-of-tests"


def settings(url: str, policy: Path | None, *, more: str = "", tier: str = "", auth: str = "none") -> str:
    """Three tiers at `url`, four tasks. `tier`: more keys of every tier; `more`: more sections."""
    tiers = "\n".join(
        f"  - {{name: {name}, backend: openai, base_url: '{url}', model: {name}-model, api_key_env: STUB_KEY, "
        f"price: {{input_usd_per_mtok: {usd}, output_usd_per_mtok: {usd}}}{tier}}}"
        for name, usd in zip(TIERS, PRICES, strict=True)
    )
    folder = f"policy: {{folder: '{policy}'}}" if policy else ""
    return f"""
portfolio:
{tiers}
tasks:
  intent: {{metric: accuracy}}
  private: {{metric: accuracy, allowed_tiers: [small, mid]}}
  quick: {{metric: accuracy, sla_ms: 300}}
{folder}
gateway: {{port: 0, admin_port: 0, auth: {auth}, max_body_mb: 8, body_timeout_s: 1, header_timeout_s: 1, drain_s: 5}}
{more}
"""


def cascade(task: str, tiers: tuple[str, ...], limit: float) -> ThresholdCascade:
    """The last of `tiers` always answers."""
    return ThresholdCascade(tiers, {task: dict.fromkeys(tiers[:-1], limit)})


def write_policy(
    folder: Path,
    *,
    limit: float = 0.25,
    backends: Mapping[str, str] = {},
    weights: Path | None = None,
    commit: CommitRule | None = None,
) -> Path:
    """Begins at the cheapest tier and accepts under an uncertainty of `limit`; certified for `ROUTED`,
    each with the tiers that it may use.

    `backends`: of tiers that are not behind an OpenAI-compatible endpoint. `weights`: of the small tier, where it is a
    local model. `commit`: of streams of that tier.
    """
    encoder = HashedEncoder(
        np.zeros(1, dtype=np.int32), np.ones(1, dtype=np.float32), np.zeros((1, 2), dtype=np.float16)
    )
    small, *others = (
        Tier(n, backends.get(n, "openai"), Price(p, p), f"{n}-model") for n, p in zip(TIERS, PRICES, strict=True)
    )
    if weights is not None:
        small = replace(small, backend="local", model=version_of("small-model", str(weights), folder))
    portfolio = Portfolio((small, *others))
    surface = SurfaceFrame(np.zeros(SURFACE), np.ones(SURFACE))
    quality, cost = (
        StackedEstimates((), np.empty((0, 0)), None, np.empty(0, dtype=np.int64), np.array(levels))
        for levels in ((0.9, 0.9, 0.9), (0.01, 0.1, 1.0))
    )
    # At a price every query begins at the cheapest of tiers that are expected to be as good.
    router = LearnedRouter(encoder, surface, TIERS, ROUTED, quality, cost, 1.0, price=1.0)
    rule = RulePerTask({task: cascade(task, WALLS.get(task, TIERS), limit) for task in ROUTED}, TIERS[-1])
    tasks = {task: Task(task, "accuracy", 1.0, 1.0) for task in ROUTED}
    served = rule if commit is None else Committing(rule, TIERS, {task: {"small": commit} for task in ROUTED})
    return save_policy(folder, Policy(portfolio, tasks, router, TokenUncertainty(), served), encoder)


def with_local_model(text: str, weights: Path) -> str:
    """Settings with a model that runs here as their small tier: one slot, one thread, and room for one to wait."""
    begun = text.index("  - {name: small")
    small = (
        f"  - {{name: small, backend: local, weights: '{weights}', model: small-model, slots: 1, threads: 1, "
        "context: 2048, most_waiting: 1, price: {input_usd_per_mtok: 1.0, output_usd_per_mtok: 1.0}}"
    )
    return text[:begun] + small + text[text.index("\n", begun) :]


def save_policy(folder: Path, plain: Policy, encoder: HashedEncoder) -> Path:
    """Writes it for serving, certified for every task that it knows."""
    certificates = {
        task: Certificate(
            task=task,
            rule="quality_ratio",
            target=0.03,
            delta=0.1,
            n=500,
            groups=500,
            method=Method.BETTING,
            status=Status.CERTIFIED,
            bound=0.975,
            estimate=0.985,
            proved_for=plain.proved_for(),
            issued_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for task in plain.tasks
    }
    policies.save(folder / "policy", replace(plain, certificates=certificates))
    artefacts.write(folder / "router-encoder", {"hashed": encoder.parts()})
    return folder


@dataclass
class Running:
    """A gateway that listens."""

    process: subprocess.Popen[str]
    url: str
    admin: str
    log: Path

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def get(self, url: str, *, key: str | None = ADMIN_KEY) -> str:
        request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"} if key else {})
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.read().decode()

    def post(self, path: str, *, key: str = ADMIN_KEY) -> dict:
        """To the admin listener."""
        headers = {"authorization": f"Bearer {key}"}
        request = urllib.request.Request(f"{self.admin}{path}", b"", headers, method="POST")
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read())

    def metrics(self) -> str:
        return self.get(f"{self.admin}/metrics")

    def metric(self, name: str) -> float:
        """Sum over all labels that `name` (with or without some) begins with; 0 where there is none."""
        lines = [line for line in self.metrics().splitlines() if line.startswith(name)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def stop(self, *, within_s: float = 15.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within_s)
        finally:
            self.process.kill()
            if self.process.stdout is not None:
                self.process.stdout.close()


def start(folder: Path, text: str, *, environ: Mapping[str, str] | None = None) -> Running:
    """`routenlp serve` on settings `text`, once it answers."""
    (folder / "routenlp.yaml").write_text(text)
    log = folder / "log"
    env = {k: v for k, v in os.environ.items() if not k.startswith("ROUTENLP_") or k == "ROUTENLP_CACHE_DIR"}
    env |= {"STUB_KEY": UPSTREAM_KEY, "ROUTENLP_ADMIN_KEY": ADMIN_KEY, **(environ or {})}
    command = [sys.executable, "-c", "from routenlp.cli.app import main; main()", "serve"]
    with log.open("w") as errors:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.findall(r"http://[\d.]+:\d+", line)
    if len(found) != 2:
        process.wait(10)
        process.stdout.close()
        raise RuntimeError(f"the gateway did not start: {log.read_text()}")
    return Running(process, found[0], found[1], log)


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`routenlp WORDS` beside a gateway's settings, once it has ended."""
    call = [sys.executable, "-c", "from routenlp.cli.app import main; main()", *words]
    env = {**os.environ, "STUB_KEY": UPSTREAM_KEY}
    return subprocess.run(call, cwd=folder, env=env, capture_output=True, text=True, check=False)


def rows(folder: Path, query: str, *values: object) -> list[tuple]:
    """What the store beside a gateway's settings holds."""
    connection = sqlite3.connect(folder / "routenlp.db")
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


def until(condition, *, within_s: float = 5.0) -> bool:
    """Whether `condition` came true in time."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
