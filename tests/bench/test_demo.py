"""What the demo says of the queries that it sent over HTTP, and what it leaves."""

from __future__ import annotations

import json
import re

import pytest
from tests.bench.conftest import routenlp

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("run", ["generated_run", pytest.param("demo_run", marks=pytest.mark.data)])
class TestEveryRun:
    @pytest.fixture
    def done(self, run, request):
        return request.getfixturevalue(run)

    def test_every_tested_query_went_over_http_and_was_answered_as_the_replay_says(self, done):
        report = done[1]
        tested = {row["task"]: row["n"] for row in report["rows"]}
        *tasks, every = report["http"]["rows"]
        assert {row["task"]: row["queries"] for row in tasks} == tested
        assert every["queries"] == sum(tested.values())
        checks = {check["name"]: check["value"] for check in report["checks"]}
        assert checks["answers over HTTP that differ from the replay's"] == 0
        assert checks["queries over HTTP that were answered with an error"] == 0

    def test_what_http_cost_is_what_the_replay_cost(self, done):
        replayed = {r["task"]: r for r in done[1]["rows"] if r["system"] == "routenlp"}
        for row in done[1]["http"]["rows"][:-1]:
            ratio = replayed[row["task"]]["cost_ratio"]["estimate"]
            assert row["cost_usd"] / row["top_cost_usd"] == pytest.approx(ratio, abs=1e-5)
            kept = replayed[row["task"]]["quality_ratio"]["estimate"]
            assert row["quality"] / row["top_quality"] == pytest.approx(kept)

    def test_plain_words_come_first_and_what_to_do_next_last(self, done):
        out = done[0].out
        assert re.match(r"\s*[\d,]+ held-out .*They cost \$[\d,.]+ in place of the \$[\d,.]+", out)
        assert out.index("What went through the gateway") < out.index("Three queries") < out.index("What to do next")
        assert "make serve" in out[out.index("What to do next") :]

    def test_status_and_explain_read_what_it_left(self, done):
        settings = f"{done[1]['folder']}/routenlp.yaml"
        (trace,) = re.findall(r"explain ([0-9a-f]{32})", done[0].out)
        explained = routenlp("explain", trace, "--settings", settings)
        assert explained.code == 0, explained.err
        assert "Before any answer" in explained.out
        standing = routenlp("status", "--settings", settings, "--json", "-")
        assert standing.code == 0, standing.err
        shares = json.loads(standing.out)["shares"]
        assert sum(share["ok"] for share in shares) == done[1]["http"]["rows"][-1]["queries"]
