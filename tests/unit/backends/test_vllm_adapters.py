"""Loading an adapter into a server that speaks vLLM's API: loaded once, probed, put out again when it is another."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from routenlp.backends.vllm_adapters import AdapterProbe, VllmAdapters
from routenlp.errors import BackendError, SettingsError

PROBES = [
    AdapterProbe([{"role": "user", "content": f"q{i}"}], answer=f"tuned {i}", base_answer=f"base {i}") for i in range(4)
]
FOLDER = Path("adapters/small-1")


class Server(ThreadingHTTPServer):
    """`says(name, folder, prompt)` is what the adapter of that name answers."""

    def __init__(self, says: Callable[[str, str, str], str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.says = says
        self.adapters: dict[str, str] = {}
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        names = ["base", *self.server.adapters]
        self._send(200, json.dumps({"data": [{"id": name} for name in names]}))

    def do_POST(self) -> None:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.removeprefix("/v1")
        self.server.calls.append(path)
        if path == "/load_lora_adapter":
            if not body["lora_path"].startswith("adapters/"):
                self._send(404, "no adapter there")
                return
            self.server.adapters[body["lora_name"]] = body["lora_path"]
            self._send(200, "Success: loaded")
        elif path == "/unload_lora_adapter":
            del self.server.adapters[body["lora_name"]]
            self._send(200, "Success: removed")
        else:
            said = self.server.says(body["model"], self.server.adapters[body["model"]], body["messages"][-1]["content"])
            self._send(200, json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]}))

    def _send(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str, str, str], str]], Server]]:
    servers: list[Server] = []

    def begin(says: Callable[[str, str, str], str]) -> Server:
        servers.append(Server(says))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return servers[-1]

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def tuned(_name: str, _folder: str, prompt: str) -> str:
    return f" tuned {prompt[1:]}"


def test_an_adapter_that_answers_as_it_was_tuned_is_used(serve):
    server = serve(tuned)
    loaded = VllmAdapters(server.url).load("small-1", FOLDER, PROBES)
    assert (loaded.name, loaded.matched, loaded.asked) == ("small-1", 4, 4)
    assert server.adapters == {"small-1": str(FOLDER)}


def test_a_name_that_is_there_already_is_not_loaded_again_but_probed(serve):
    server = serve(tuned)
    adapters = VllmAdapters(server.url)
    adapters.load("small-1", FOLDER, PROBES)
    adapters.load("small-1", FOLDER, PROBES)
    assert server.calls.count("/load_lora_adapter") == 1
    assert server.calls.count("/chat/completions") == 2 * len(PROBES)


@pytest.mark.parametrize(
    "says",
    [
        lambda _name, _folder, prompt: f"base {prompt[1:]}",
        lambda _name, _folder, _prompt: "of another adapter",
        lambda _name, _folder, _prompt: "",
    ],
    ids=["the base still answers", "another adapter answers", "nothing comes"],
)
def test_an_adapter_that_answers_as_another_is_put_out_again(serve, says):
    server = serve(says)
    with pytest.raises(BackendError, match="It is not used"):
        VllmAdapters(server.url).load("small-1", FOLDER, PROBES)
    assert server.adapters == {}


def test_probes_that_tuning_did_not_change_prove_nothing(serve):
    server = serve(tuned)
    same = [AdapterProbe(p.messages, p.answer, p.answer) for p in PROBES]
    with pytest.raises(BackendError):
        VllmAdapters(server.url).load("small-1", FOLDER, same)


def test_what_the_server_refuses_is_told_with_its_words(serve):
    server = serve(tuned)
    with pytest.raises(BackendError, match=r"404.*no adapter there"):
        VllmAdapters(server.url).load("small-1", Path("nowhere"), PROBES)


def test_a_server_that_is_not_there_and_an_address_that_is_none():
    with pytest.raises(BackendError, match="cannot be reached"):
        VllmAdapters("http://127.0.0.1:9/v1", timeout_s=2.0).names()
    with pytest.raises(SettingsError, match="base_url"):
        VllmAdapters("file:///etc/passwd")
