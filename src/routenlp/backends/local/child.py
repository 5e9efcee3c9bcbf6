"""The child process: `python -m routenlp.backends.local.child`, one line of JSON in, one line out, then it serves.

It ends when its standard input does, so it never outlives the process that started it, whatever ended that one.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def main() -> None:
    """Serves until standard input ends. Says `{"address": ...}` when it is up, `{"error": ...}` when it cannot be."""
    asked: dict[str, Any] = json.loads(sys.stdin.readline())
    try:
        server = _start(asked)
    except Exception as exc:  # noqa: BLE001  (whatever it is, the parent is told)
        _say({"error": str(exc) or type(exc).__name__})
        os._exit(1)
    _say({"address": server.listening_address})
    sys.stdin.read()
    os._exit(0)  # the server's threads are in the middle of things: nothing of theirs is worth waiting for


def _start(asked: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = asked["weights"]
    params.model_alias = {asked["model"]}
    params.port = asked["port"]
    params.api_keys = [asked["key"]]
    params.n_ctx = asked["context"] * asked["slots"]
    params.n_parallel = asked["slots"]
    params.n_predict = asked["most_tokens"]
    params.cpuparams.n_threads = asked["threads"]
    params.cpuparams_batch.n_threads = asked["threads"]
    params.sampling.seed = asked["seed"]
    params.ui = False
    return xllamacpp.Server(params)


def _say(what: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
