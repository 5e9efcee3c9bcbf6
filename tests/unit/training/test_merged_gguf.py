"""A GGUF file with an adapter merged in is the model that PEFT merges, and only its own base takes the adapter."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.training.small_llama import as_gguf, small_llama
from typer.testing import CliRunner

from routenlp.cli.app import app
from routenlp.errors import ArtefactError
from routenlp.loop.lessons import Lesson
from routenlp.store.sealed import check, seal, sha256_of
from routenlp.training.distil.language_model import LanguageModelDistiller, Tuning, load
from routenlp.training.llama_folder import llama_folder
from routenlp.training.lora import WEIGHTS
from routenlp.training.merged_gguf import merged_gguf
from routenlp.types import Query

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.numpy")
pytestmark = [pytest.mark.filterwarnings("ignore::FutureWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    return as_gguf(small_llama(), tmp_path_factory.mktemp("gguf") / "m.gguf")


@pytest.fixture(scope="module")
def base(gguf, tmp_path_factory):
    return llama_folder(gguf, tmp_path_factory.mktemp("base") / "base")


def with_adapter(base, targets="all-linear"):
    """Random on both sides, so that every weight is changed."""
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype="float32")
    config = peft.LoraConfig(
        r=3, lora_alpha=5, target_modules=targets, init_lora_weights=False, task_type="CAUSAL_LM", lora_dropout=0.1
    )
    return peft.get_peft_model(model, config)


def sealed(base, folder, model=None, **about):
    said = {"kind": "lora", "gguf_sha256": check(base)["gguf_sha256"], **about}

    def fill(into):
        (model or with_adapter(base)).save_pretrained(into)
        return {name: value for name, value in said.items() if value is not None}

    seal(folder, fill)
    return folder


def test_it_is_the_model_that_peft_merges_to_the_rounding_of_float16(gguf, base, tmp_path):
    model = with_adapter(base)
    merged_gguf(gguf, sealed(base, tmp_path / "adapter", model), tmp_path / "out.gguf")
    written = safetensors.load_file(llama_folder(tmp_path / "out.gguf", tmp_path / "again") / "model.safetensors")
    expected = model.merge_and_unload().state_dict()
    before = safetensors.load_file(base / "model.safetensors")
    for name, value in written.items():
        np.testing.assert_allclose(value, expected[name].numpy(), rtol=1e-3, atol=1e-6, err_msg=name)
        assert np.array_equal(value, before[name]) != name.endswith("proj.weight"), name


def test_modules_that_were_not_tuned_stay_as_they_were(gguf, base, tmp_path):
    model = with_adapter(base, targets=["v_proj"])
    merged_gguf(gguf, sealed(base, tmp_path / "adapter", model), tmp_path / "out.gguf")
    written = safetensors.load_file(llama_folder(tmp_path / "out.gguf", tmp_path / "again") / "model.safetensors")
    before = safetensors.load_file(base / "model.safetensors")
    changed = {name for name in written if not np.array_equal(written[name], before[name])}
    assert changed == {f"model.layers.{layer}.self_attn.v_proj.weight" for layer in (0, 1)}


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"gguf_sha256": "0" * 64}, "was tuned on weights of SHA-256 000"),
        ({"gguf_sha256": None}, "came of no GGUF file"),
        ({"kind": "full"}, "no adapter"),
    ],
)
def test_an_adapter_of_another_base_is_refused(gguf, base, tmp_path, about, said):
    adapter = sealed(base, tmp_path / "adapter", **about)
    with pytest.raises(ArtefactError, match=said):
        merged_gguf(gguf, adapter, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


def test_an_adapter_that_was_altered_or_is_for_more_than_there_is_is_refused(gguf, base, tmp_path):
    adapter = sealed(base, tmp_path / "adapter")
    tensors = safetensors.load_file(adapter / WEIGHTS)
    more = {name.replace("layers.1", "layers.7"): value for name, value in tensors.items()}
    safetensors.save_file(more, adapter / WEIGHTS)
    with pytest.raises(ArtefactError, match="not what was sealed"):
        merged_gguf(gguf, adapter, tmp_path / "out.gguf")
    (adapter / "routenlp-seal.json").unlink()
    seal(tmp_path / "other", lambda into: _moved(adapter, into, base))
    with pytest.raises(ArtefactError, match=r"model\.layers\.7"):
        merged_gguf(gguf, tmp_path / "other", tmp_path / "out.gguf")


def _moved(adapter, into, base):
    for path in adapter.iterdir():
        path.rename(into / path.name)
    return {"kind": "lora", "gguf_sha256": check(base)["gguf_sha256"]}


def test_the_command_writes_the_file_and_says_how_it_is_served(gguf, base, tmp_path):
    adapter, out = sealed(base, tmp_path / "adapter"), tmp_path / "out.gguf"
    words = ["distil", "merge", str(adapter), "--weights", str(gguf), "--out", str(out)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "backend: local" in result.output
    assert out.is_file()
    assert isinstance(CliRunner().invoke(app, words).exception, ArtefactError)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_distiller_says_what_its_base_came_of_and_what_it_made_is_merged(gguf, base, tmp_path):
    lessons = [Lesson(Query(f"l{i}", "intent", f"number {i}"), "ab", "top", f"l{i}") for i in range(4)]
    tuning = Tuning(rank=2, epochs=2, learning_rate=1e-2, batch=2, most_tokens=48)
    (made,) = LanguageModelDistiller("small", base, tuning).distil(lessons, tmp_path)
    assert check(made.folder)["gguf_sha256"] == sha256_of(gguf)
    merged_gguf(gguf, made.folder, tmp_path / "out.gguf")
    again, tuned = (load(llama_folder(tmp_path / "out.gguf", tmp_path / "again"))[0], load(base, made.folder)[0])
    ids = torch.tensor([[1, 2, 3, 4]])
    with torch.inference_mode():
        torch.testing.assert_close(again(ids).logits, tuned(ids).logits, atol=5e-3, rtol=1e-2)
