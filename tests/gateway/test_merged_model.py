"""A tuned language model is merged, served by backend `local`, and routed to like any tier."""

from __future__ import annotations

import json
import math

import numpy as np
import openai
import pytest
from tests.gateway import running

from routenlp.store.sealed import check, seal
from routenlp.training.distil.language_model import greedy, load
from routenlp.training.llama_folder import llama_folder
from routenlp.training.lora import CONFIG, WEIGHTS
from routenlp.training.merged_gguf import merged_gguf

pytest.importorskip("peft")
safetensors = pytest.importorskip("safetensors.numpy")
# PEFT still uses names that transformers is about to rename: its authors' to mend.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
QUESTION = [{"role": "user", "content": "Tell me about Paris."}]
MOST_TOKENS = 8
RANK, STRENGTH = 4, 0.22
"""Of a random adapter: so strong that the likeliest answer is another, and still a clear choice word by word."""


def random_adapter(base, folder):
    """On all linear layers, as a distiller leaves it."""

    def fill(into):
        rng, tensors = np.random.default_rng(2), {}
        for name, weights in sorted(safetensors.load_file(base / "model.safetensors").items()):
            if name.endswith("_proj.weight"):
                module, (outputs, inputs) = f"base_model.model.{name.removesuffix('.weight')}", weights.shape
                tensors[f"{module}.lora_A.weight"] = rng.normal(size=(RANK, inputs)) / math.sqrt(inputs)
                tensors[f"{module}.lora_B.weight"] = rng.normal(size=(outputs, RANK)) * STRENGTH
        safetensors.save_file({name: value.astype(np.float32) for name, value in tensors.items()}, into / WEIGHTS)
        config = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "target_modules": "all-linear"}
        (into / CONFIG).write_text(json.dumps(config))
        return {"kind": "lora", **check(base)}

    seal(folder, fill)
    return folder


@pytest.fixture(scope="module")
def tuned(smollm2, tmp_path_factory):
    """Base, adapter, merged file."""
    folder = tmp_path_factory.mktemp("tuned")
    base = llama_folder(smollm2, folder / "base")
    adapter = random_adapter(base, folder / "adapter")
    merged_gguf(smollm2, adapter, folder / "model.gguf")
    return base, adapter, folder / "model.gguf"


@pytest.fixture(scope="module")
def start(stub_server, tuned, tmp_path_factory):
    """Gateways that serve the tuned model, by a policy that was proved for some weights."""
    started = []

    def one(proved_for):
        policy = running.write_policy(tmp_path_factory.mktemp("policy"), limit=0.99, weights=proved_for)
        text = running.with_local_model(running.settings(stub_server.url, policy), tuned[2])
        started.append(running.start(tmp_path_factory.mktemp("gateway"), text))
        return started[-1]

    yield one
    for gateway in started:
        gateway.stop()


def ask(gateway):
    given = {"max_tokens": MOST_TOKENS, "temperature": 0, "logprobs": True}
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=120) as client:
        return client.chat.completions.with_raw_response.create(model="auto:intent", messages=QUESTION, **given)


def test_it_is_routed_to_and_says_what_the_tuned_model_says_not_what_its_base_does(start, tuned, stub):
    base, adapter, merged = tuned
    response = ask(start(merged))
    assert response.headers["x-routenlp-steps"] == "small"
    answer = response.parse().choices[0]
    model, tokenizer = load(base, adapter)
    assert answer.message.content == greedy(model, tokenizer, QUESTION, MOST_TOKENS)
    assert answer.message.content != greedy(load(base)[0], tokenizer, QUESTION, MOST_TOKENS)
    assert len(answer.logprobs.content) == MOST_TOKENS
    assert all(token.logprob <= 0.0 for token in answer.logprobs.content)


def test_what_was_proved_for_its_base_is_void(start, smollm2, stub):
    response = ask(start(smollm2))
    assert response.headers["x-routenlp-status"] == "uncertified"
    assert response.headers["x-routenlp-steps"] == "top"
