"""`routenlp init` and `routenlp doctor`."""

from __future__ import annotations

import contextlib
import json

import pytest
from aiohttp import web
from tests.gateway import messages_stub, running
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


def test_what_the_settings_leave_as_a_comment_can_be_read_and_priced_too():
    lines = init.template().splitlines()
    begin = next(at for at, line in enumerate(lines) if "name: claude" in line)
    end = next(at for at, line in enumerate(lines) if "name: frontier" in line)
    lines[begin:end] = [line.replace("# ", "", 1) for line in lines[begin:end]]
    settings = load(None, {}, default="\n".join(lines))
    assert [tier.backend for tier in settings.portfolio] == ["openai", "anthropic", "openai"]
    price = portfolio(settings).tiers[1].price
    assert 0 < price.cache_read_usd_per_mtok < price.input_usd_per_mtok < price.output_usd_per_mtok


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


def test_a_tier_of_another_api_is_asked_in_its_own_words(stub, tmp_path, capsys):
    async def answers(asked):
        return web.json_response(messages_stub.message(asked))

    stub.behaviours |= {"mid-model": answers, "top-model": answers}
    text = running.settings(stub.url, None)
    for tier in ("mid", "top"):
        text = text.replace(f"name: {tier}, backend: openai", f"name: {tier}, backend: anthropic")
    found = findings(tmp_path, text, capsys)
    assert (found["tier mid"], found["tier top"]) == ("warning", "ok"), "without log-probabilities"
    assert [asked.request.path for asked in stub.asked][1:] == ["/v1/messages"] * 2


def test_what_is_wrong_is_named(stub, policy_folder, tmp_path, capsys):
    stub.behaviours["mid-model"] = status(401)
    text = running.settings(stub.url, policy_folder / "nowhere", auth="keys")
    found = findings(tmp_path, text, capsys)
    assert found["policy"] == found["store"] == "wrong"
    found = findings(tmp_path, running.settings(stub.url, None), capsys)
    assert (found["tier mid"], found["tier top"], found["policy"]) == ("wrong", "ok", "warning")
