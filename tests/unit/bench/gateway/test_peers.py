"""Other gateways: found where they are, refused where they are not, and measured beside ours."""

from __future__ import annotations

import json
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from routenlp.bench.gateway import peers
from routenlp.bench.gateway.run import BARE, CONNECTIONS, OURS, STUB, Found, Row, checks, run
from routenlp.errors import DataError, SettingsError

SRC = Path(peers.__file__).parents[3]
LISTENS = f"""#!{sys.executable}
import asyncio, sys
sys.path.insert(0, {str(SRC)!r})
from routenlp.bench.gateway.stub import StubProtocol

async def main():
    port = int(sys.argv[sys.argv.index("--port") + 1])
    server = await asyncio.get_running_loop().create_server(StubProtocol, "127.0.0.1", port)
    await server.serve_forever()

asyncio.run(main())
"""


def environment(folder: Path, version: str, program: str = LISTENS) -> Path:
    """A folder that looks like a virtual environment with LiteLLM."""
    (folder / "lib/python3.11/site-packages" / f"litellm-{version}.dist-info").mkdir(parents=True)
    (folder / "bin").mkdir()
    path = folder / "bin" / "litellm"
    path.write_text(program, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


def test_litellm_is_started_with_its_settings_before_the_stub(tmp_path: Path) -> None:
    peer = peers.litellm(environment(tmp_path / "env", "1.106.3"), "http://127.0.0.1:9", tmp_path)
    assert peer.version == "1.106.3"
    settings = json.loads((tmp_path / "litellm.json").read_text(encoding="utf-8"))
    assert settings["model_list"][0]["litellm_params"]["api_base"] == "http://127.0.0.1:9/v1"
    assert peer.environ["LITELLM_MASTER_KEY"] == peer.key
    assert len(peer.key) > 40
    assert peer.key not in " ".join(peer.command)


@pytest.mark.parametrize("version", ["1.82.7", "1.82.8"])
def test_releases_that_steal_are_never_started(tmp_path: Path, version: str) -> None:
    with pytest.raises(SettingsError, match="steals"):
        peers.litellm(environment(tmp_path / "env", version), "http://127.0.0.1:9", tmp_path)


def test_a_folder_without_them_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--litellm"):
        peers.litellm(tmp_path, "http://127.0.0.1:9", tmp_path)
    with pytest.raises(SettingsError, match="--portkey"):
        peers.portkey(tmp_path, "http://127.0.0.1:9")


def test_portkey_is_told_the_stub_by_headers(tmp_path: Path) -> None:
    package = tmp_path / "node_modules/@portkey-ai/gateway"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"version": "1.15.2"}', encoding="utf-8")
    peer = peers.portkey(tmp_path, "http://127.0.0.1:9")
    assert peer.version == "1.15.2"
    assert peer.headers["x-portkey-custom-host"] == "http://127.0.0.1:9/v1"


def row(system: str, connections: int, per_s: float) -> Row:
    return Row(system, False, connections, 100, 1.0, 2.0, per_s, 0.5, 80.0, 0)


def found(**peers_found: str | None) -> Found:
    rows = [row(s, n, 600.0) for s in (STUB, BARE, OURS) for n in CONNECTIONS]
    rows += [row(name, n, 60.0 if n == 16 else 30.0) for name in peers_found for n in CONNECTIONS]
    return Found(tuple(rows), peers_found, (), 80.0, 81.0, 1_000, 1.0)


def test_ours_is_compared_where_it_is_least_ahead() -> None:
    assert found(LiteLLM="1.106.3").times("LiteLLM") == pytest.approx(10.0)
    (beside,) = [check for check in checks(found(LiteLLM="1.106.3")) if "LiteLLM" in str(check["name"])]
    assert not beside["holds"]


def test_an_absent_peer_is_neither_zero_nor_a_check() -> None:
    nobody = replace(found(), peers={"LiteLLM": None})
    assert nobody.times("LiteLLM") is None
    assert all("LiteLLM" not in str(check["name"]) for check in checks(nobody))


@pytest.mark.slow
def test_a_peer_is_measured_in_the_same_run(tmp_path: Path) -> None:
    litellm = environment(tmp_path / "env", "1.106.3")
    seen = run(requests=40, long_requests=20, seed=0, advance=lambda _: None, litellm=litellm)
    assert seen.peers == {"LiteLLM": "1.106.3", "Portkey": None}
    assert {r.system for r in seen.rows} == {STUB, BARE, OURS, "LiteLLM"}
    assert seen.row("LiteLLM", 1, stream=True).requests < seen.row(OURS, 1, stream=True).requests == 200
    assert sum(r.refused for r in seen.rows) == 0
    assert (seen.times("LiteLLM") or 0.0) > 0.0


@pytest.mark.slow
def test_what_a_peer_cannot_do_has_no_row(tmp_path: Path) -> None:
    no_streams = "from routenlp.bench.gateway import stub\nstub.STREAM = stub.STREAM.replace(b'200 OK', b'500 No')\n"
    refuses = LISTENS.replace("asyncio.run(main())", f"{no_streams}asyncio.run(main())")
    litellm = environment(tmp_path / "env", "1.106.3", refuses)
    seen = run(requests=20, long_requests=20, seed=0, advance=lambda _: None, litellm=litellm)
    assert {r.stream for r in seen.rows if r.system == "LiteLLM"} == {False}
    assert len(seen.failures) == len(CONNECTIONS)
    assert seen.failures[0] == "LiteLLM, 1 connections, streams: answered with an error"


@pytest.mark.slow
def test_a_peer_that_ends_at_once_is_named_with_what_it_said(tmp_path: Path) -> None:
    broken = environment(tmp_path / "env", "1.106.3", "#!/bin/sh\necho no such module; exit 3\n")
    with pytest.raises(DataError, match="no such module"):
        run(requests=20, long_requests=20, seed=0, advance=lambda _: None, litellm=broken)
