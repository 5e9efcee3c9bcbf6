"""`routenlp label serve`: a person grades what was drawn, blind; whoever does not know the address is told nothing."""

from __future__ import annotations

import asyncio
import html
import http.client
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from tests.unit.worker import made

from routenlp.store.sql import audits
from routenlp.store.sql.database import open_store
from routenlp.worker.labels import draw_waiting

TIER = "{{name: {}, backend: recorded, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 1}}}}"
ASKED = 'Is <script>alert("x")</script> safe?'
SAYS = {"mid": "<b>No</b>", "top": "No."}


@dataclass
class Page:
    """A page that is up."""

    process: subprocess.Popen
    port: int
    path: str
    folder: object

    def ask(self, method="GET", path=None, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        form = {"content-type": "application/x-www-form-urlencoded"} if body is not None else {}
        connection.request(method, self.path if path is None else path, body, {**form, **(headers or {})})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, dict(response.getheaders()), text

    def shown(self, query=""):
        """The id of the query that is shown, and its answers by letter."""
        status, _, text = self.ask(path=self.path + query)
        assert status == 200, text
        name = re.search(r'name="id" value="(\w+)"', text)
        found = re.findall(r"<legend>([A-Z])</legend><p class=\"said\" dir=\"auto\">(.*?)</p>", text, re.DOTALL)
        return (name and name.group(1)), {letter: html.unescape(said) for letter, said in found}

    def send(self, headers=None, **fields):
        return self.ask("POST", body=urlencode(fields), headers=headers)

    def grades(self, name):
        connection = open_store(self.folder / "s.db")
        found = {g.tier: (g.source, g.grader, g.quality) for g in audits.grades_of(connection, name)}
        connection.close()
        return found


def grade_all(answers, grade="1"):
    return {f"quality-{letter}": grade for letter in answers}


@contextmanager
def served(folder, queries):
    """A page over so many audits."""
    request = {"messages": [{"role": "user", "content": ASKED}]}
    connection = made.opened(folder, *[made.audited(i, request=request) for i in range(queries)])
    asyncio.run(made.runner(connection, made.Says(SAYS)).run(queries))
    connection.close()
    tiers = ", ".join(TIER.format(name) for name in made.TIERS)
    (folder / "routenlp.yaml").write_text(
        f"portfolio: [{tiers}]\ntasks: {{intent: {{metric: accuracy}}}}\ncontent: {{store: audits}}\n"
        f"store: {{url: 'sqlite:///{folder}/s.db'}}\n"
    )
    call = [sys.executable, "-c", "from routenlp.cli.app import main; main()", "label", "serve", "--grader", "ann"]
    process = subprocess.Popen(call, cwd=folder, env=os.environ, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)(/\S+/)", line):
            break
    yield Page(process, int(found[1]), found[2], folder)
    process.send_signal(signal.SIGTERM)
    process.wait(15)
    process.stdout.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with served(tmp_path_factory.mktemp("page"), 30) as one:
        yield one


def test_a_person_grades_what_was_drawn_in_the_order_of_the_file_and_blind(tmp_path):
    with served(tmp_path, 3) as page:
        connection = open_store(tmp_path / "s.db")
        order = draw_waiting(connection, "intent", 100)
        connection.close()
        for done, expected in enumerate(order):
            assert f"{done} of 3 done" in page.ask()[2]
            name, answers = page.shown()
            assert name == expected
            assert set(answers.values()) == {"served by small", "<b>No</b>", "No."}
            status, headers, _ = page.send(id=name, **grade_all(answers, "0.25"))
            assert (status, headers["location"]) == (303, f"./?saved={name}")
            assert page.grades(name) == dict.fromkeys(made.TIERS, ("gold", "ann", 0.25))
        assert "Every query that was drawn has its grades" in page.ask()[2]


def test_a_reference_is_graded_by_the_metric(page):
    name, _ = page.shown()
    assert page.send(id=name, reference="No.")[0] == 303
    assert page.grades(name)["top"] == ("metric", "accuracy", 1.0)


def test_a_slip_can_be_mended_and_a_query_put_off(page):
    name, answers = page.shown()
    page.send(id=name, **grade_all(answers, "0"))
    assert page.shown(f"?id={name}") == (name, answers)
    page.send(id=name, **grade_all(answers, "1"))
    assert page.grades(name)["top"][2] == 1.0
    second, _ = page.shown()
    assert page.send(id=second, **{"put-off": "1"})[0] == 303
    assert page.shown()[0] not in (name, second)


def test_what_is_not_whole_is_asked_again_with_what_was_filled_in(page):
    name, answers = page.shown()
    letter = min(answers)
    status, _, text = page.send(id=name, **{f"quality-{letter}": "0.75"})
    assert status == 422
    assert "Grade every answer" in text
    assert f'name="quality-{letter}" value="0.75" checked' in text
    assert page.grades(name) == {}


def test_a_text_that_looks_like_a_page_is_a_text(page):
    _, headers, text = page.ask()
    assert "<script>" not in text
    assert "&lt;script&gt;alert(&quot;x&quot;)" in text
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert (headers["referrer-policy"], headers["cache-control"]) == ("same-origin", "no-store")
    assert not re.search(r'(src|href)="(?!\./)', text), "nothing comes from elsewhere"


@pytest.mark.parametrize("path", ["/", "/x/", "/favicon.ico", "//", "/%2e%2e/", "/page.css"])
def test_without_the_token_there_is_nothing(page, path):
    assert page.ask(path=path)[::2] == (404, "")
    assert page.ask("POST", path=path, body="id=x")[::2] == (404, "")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1"])
def test_another_hosts_name_is_not_answered(page, host):
    assert page.ask(headers={"host": host})[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "none"},
        {"origin": "http://127.0.0.1:1"},
    ],
)
def test_a_form_of_another_site_is_refused(page, headers):
    name, answers = page.shown()
    assert page.send(headers, id=name, **grade_all(answers))[0] == 403
    assert page.grades(name) == {}


def test_the_pages_own_form_is_taken(page):
    name, answers = page.shown()
    own = {"origin": f"http://127.0.0.1:{page.port}", "sec-fetch-site": "same-origin"}
    assert page.send(own, id=name, **grade_all(answers))[0] == 303


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"id": "nobody"}, 409),
        ({"id": "NAME", "quality-A": "2"}, 400),
        ({"id": "NAME", "quality-A": "1", "quality-B": "1", "quality-C": "1", "quality-Z": "1"}, 422),
        ({"id": "NAME", "reference": "x" * 300_000}, 413),
        ({"id": "NAME", "tier": "small"}, 400),
    ],
)
def test_a_bad_form_stores_nothing(page, fields, status):
    name, _ = page.shown()
    assert page.send(**{k: v.replace("NAME", name) for k, v in fields.items()})[0] == status
    assert page.grades(name) == {}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
def test_other_methods_are_not_allowed(page, method):
    assert page.ask(method)[0] == 405


def test_an_audit_that_was_not_drawn_is_not_shown(page):
    assert page.ask(path=f"{page.path}?id=nobody")[0] == 404
