"""`routenlp init` and `routenlp doctor`."""

from __future__ import annotations

import contextlib
import json

import pytest
from tests.gateway import running
from tests.gateway.stub import status

from routenlp.cli import doctor, init
from routenlp.errors import SettingsError, UnknownPrice
from routenlp.settings import load
from routenlp.wiring import portfolio

ENVIRON = {"STUB_KEY": "secret", "ROUTENLP_ADMIN_KEY": "secret"}


def test_init_writes_settings_that_can_be_read_and_priced(tmp_path, capsys):
    init.run(tmp_path / "new")
    settings = load(tmp_path / "new" / init.NAME, {}, default="")
    assert portfolio(settings).top == "frontier"
    assert portfolio(settings).tiers[1].price.output_usd_per_mtok > 0
    assert "routenlp serve" in capsys.readouterr().out


def test_init_does_not_overwrite(tmp_path):
    (tmp_path / init.NAME).write_text("mine")
    with pytest.raises(SettingsError, match="exists already"):
        init.run(tmp_path)
    assert (tmp_path / init.NAME).read_text() == "mine"


@pytest.mark.parametrize(
    ("url", "model"), [("http://127.0.0.1:1/v1", "gpt-4o"), ("https://api.openai.com/v1", "gpt-99-imagined")]
)
def test_a_price_that_is_on_no_list_is_refused(url, model):
    text = f"portfolio:\n  - {{name: a, backend: openai, base_url: '{url}', model: {model}}}\n"
    with pytest.raises(UnknownPrice, match=r"portfolio\.a\.price"):
        portfolio(load(None, {}, default=text))


def findings(tmp_path, text: str, capsys) -> dict[str, str]:
    (tmp_path / "routenlp.yaml").write_text(text)
    with contextlib.suppress(SystemExit):
        doctor.run(tmp_path / "routenlp.yaml", ENVIRON, "-", ask=True)
    found = json.loads(capsys.readouterr().out)
    assert found["wrong"] == sum(finding["grade"] == "wrong" for finding in found["findings"])
    return {finding["what"]: finding["grade"] for finding in found["findings"]}


def test_all_is_well(stub, policy_folder, tmp_path, capsys):
    found = findings(tmp_path, running.settings(stub.url, policy_folder), capsys)
    assert found["policy"] == found["tier small"] == found["task intent"] == "ok"
    assert "wrong" not in found.values()


def test_what_is_wrong_is_named(stub, policy_folder, tmp_path, capsys):
    stub.behaviours["mid-model"] = status(401)
    text = running.settings(stub.url, policy_folder / "nowhere", auth="keys")
    found = findings(tmp_path, text, capsys)
    assert found["policy"] == found["store"] == "wrong"
    found = findings(tmp_path, running.settings(stub.url, None), capsys)
    assert (found["tier mid"], found["tier top"], found["policy"]) == ("wrong", "ok", "warning")
