"""`routenlp compare serve`: a person compares what was drawn, blind; the rest is as on the page for labels."""

from __future__ import annotations

import asyncio
import html
import http.client
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from tests.unit.worker import made

from routenlp.store.sql.database import open_store
from routenlp.store.sql.pairs import reported_pairs
from routenlp.store.sql.reported import Period

TIER = "{{name: {}, backend: recorded, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 1}}}}"
SERVED, TOP = "served by small", "<b>the</b> right one"


@dataclass
class Page:
    """A page that is up."""

    port: int
    path: str
    folder: object

    def ask(self, method="GET", query="", body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        form = {"content-type": "application/x-www-form-urlencoded"} if body is not None else {}
        connection.request(method, self.path + query, body, {**form, **(headers or {})})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def shown(self, query=""):
        """The id of the pair that is shown, and its answers by letter."""
        status, text = self.ask(query=query)
        assert status == 200, text
        found = re.findall(r'aria-label="answer (\w)"><h2>\w</h2><p class="said" dir="auto">(.*?)</p>', text, re.DOTALL)
        return re.search(r'name="id" value="(\w+)"', text)[1], {letter: html.unescape(said) for letter, said in found}

    def send(self, headers=None, **fields):
        return self.ask("POST", body=urlencode(fields), headers=headers)

    def verdicts(self):
        connection = open_store(self.folder / "s.db")
        found = [dict(pair.verdicts) for pair in reported_pairs(connection, Period(0.0, 4e9))]
        connection.close()
        return [one for one in found if one]


@pytest.fixture
def page(tmp_path):
    connection = made.opened(tmp_path, *[made.audited(i) for i in range(3)])
    asyncio.run(made.runner(connection, made.Says({"top": TOP})).run(3))
    connection.close()
    tiers = ", ".join(TIER.format(name) for name in made.TIERS)
    (tmp_path / "routenlp.yaml").write_text(
        f"portfolio: [{tiers}]\ntasks: {{intent: {{metric: none}}}}\ncontent: {{store: audits}}\n"
        f"store: {{url: 'sqlite:///{tmp_path}/s.db'}}\n"
    )
    call = [sys.executable, "-c", "from routenlp.cli.app import main; main()", "compare", "serve", "--rater", "ann"]
    process = subprocess.Popen(call, cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)(/\S+/)", line):
            break
    yield Page(int(found[1]), found[2], tmp_path)
    process.send_signal(signal.SIGTERM)
    process.wait(15)
    process.stdout.close()


def test_a_person_compares_every_pair_and_can_mend_a_slip(page):
    for done in range(3):
        name, answers = page.shown()
        assert set(answers.values()) == {SERVED, TOP}
        assert f"{done} of 3 done" in page.ask()[1]
        better = "A" if answers["A"] == SERVED else "B"
        assert page.send(id=name, verdict=better)[0] == 303
    assert page.verdicts() == [{"ann": "win"}] * 3
    assert "Every pair that was drawn is compared" in page.ask()[1]
    assert f'value="{better}" checked' in page.ask(query=f"?id={name}")[1]
    assert page.send(id=name, verdict="tie")[0] == 303
    assert sorted(one["ann"] for one in page.verdicts()) == ["tie", "win", "win"]


def test_the_page_says_nothing_of_tiers(page):
    text = page.ask()[1].replace(SERVED, "")
    body = text[text.index("<body>") :]
    assert not re.search(r"\b(small|mid|top|served)\b", body)


def test_what_is_put_off_comes_back_at_the_end(page):
    first, _ = page.shown()
    assert page.send(id=first, **{"put-off": "1"})[0] == 303
    assert page.shown()[0] != first
    assert page.verdicts() == []


@pytest.mark.parametrize(
    ("fields", "status"), [({"verdict": ""}, 422), ({"verdict": "C"}, 422), ({"id": "nobody", "verdict": "A"}, 409)]
)
def test_a_bad_form_stores_nothing(page, fields, status):
    name, _ = page.shown()
    assert page.send(**{"id": name, **fields})[0] == status
    assert page.verdicts() == []


def test_a_form_of_another_site_is_refused(page):
    name, _ = page.shown()
    assert page.send({"origin": "https://evil.example"}, id=name, verdict="A")[0] == 403
    assert page.ask(headers={"host": "evil.example"})[0] == 404
