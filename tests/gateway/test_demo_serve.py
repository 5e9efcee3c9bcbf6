"""`make serve` on a folder that a demo left: it says where it listens, gives a key once, and stops when told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import openai
import pytest
from tests.gateway import tiny_system

from routenlp.bench.demo.folder import DemoFolder
from routenlp.cli import demo_serve
from routenlp.errors import SettingsError


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_system.train(tmp_path_factory.mktemp("tiny"), rows=300, tested=20)


def test_it_serves_with_the_key_that_it_shows_and_keeps_its_folder_to_itself(tiny):
    command = [sys.executable, "-c", "from routenlp.cli.app import main; main()", "demo", "--serve"]
    env = {k: v for k, v in os.environ.items() if not k.startswith("ROUTENLP_")}
    options = {"env": env, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--folder", str(tiny.folder.root)], **options) as process:
        try:
            lines = []
            while not lines or "Ctrl-C" not in lines[-1]:
                lines.append(process.stdout.readline())
                assert lines[-1] or process.poll() is None, process.stderr.read()
            said = "".join(lines)
            url = re.search(r"http://[\d.]+:\d+/v1", said).group()
            key = re.search(r"rnlp_\S+", said).group()
            task, text = re.search(r'"model": "auto:(\w+)".*"content": "([^"]+)"', said).groups()
            with openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=20) as client:
                done = client.chat.completions.create(
                    model=f"auto:{task}", messages=[{"role": "user", "content": text}]
                )
                assert done.choices[0].message.content
            wrong = openai.OpenAI(base_url=url, api_key="wrong", max_retries=0)
            with wrong, pytest.raises(openai.AuthenticationError):
                wrong.models.list()
            with pytest.raises(SettingsError, match="another demo"), DemoFolder(tiny.folder.root).held():
                pass
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0


def test_the_question_shown_can_be_pasted_into_a_shell(tiny):
    row = demo_serve.example_of(tiny.folder)
    assert not {*"'\"\\\n"} & {*row.text}
    words = "\n".join(demo_serve.words(tiny.folder, "http://127.0.0.1:1", "rnlp_x", row, ["a"]))
    assert "not a" in words
