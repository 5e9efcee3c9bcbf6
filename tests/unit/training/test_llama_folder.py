"""A Llama model that is written as GGUF and turned into a folder is the same model."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.training.small_llama import as_converted, as_gguf, small_llama

from routenlp.errors import ArtefactError, CorruptData
from routenlp.training.llama_folder import llama_folder, module_of, permuted, unpermuted

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture
def model():
    return small_llama()


def test_the_folder_holds_the_same_model_and_its_tokenizer(model, tmp_path):
    folder = llama_folder(as_gguf(model, tmp_path / "m.gguf"), tmp_path / "base")
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokenizer("ab 12")["input_ids"]])
    assert tokenizer.convert_ids_to_tokens(ids[0]) == ["ab", "Ġ", "1", "2"]
    with torch.inference_mode():
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits, atol=5e-3, rtol=1e-2)


def test_rows_go_back_to_where_they_were():
    rows = np.random.default_rng(0).normal(size=(24, 5)).astype(np.float32)
    np.testing.assert_array_equal(unpermuted(as_converted(rows, 3), 3), rows)
    np.testing.assert_array_equal(permuted(rows, 3), as_converted(rows, 3))


def test_a_tensor_that_the_model_does_not_have_is_named():
    assert module_of("blk.3.ffn_up.weight") == "model.layers.3.mlp.up_proj"
    for tensor in ("rope_freqs.weight", "blk.0.attn_q_norm.weight"):
        with pytest.raises(CorruptData, match=tensor):
            module_of(tensor)


def test_a_folder_that_was_altered_is_refused_and_so_is_another_kind_of_model(model, tmp_path):
    path = as_gguf(model, tmp_path / "m.gguf")
    folder = llama_folder(path, tmp_path / "base")
    (folder / "config.json").write_text("{}")
    with pytest.raises(ArtefactError):
        llama_folder(path, folder)
    with pytest.raises(CorruptData, match="no SmolLM"):
        llama_folder(as_gguf(model, tmp_path / "o.gguf", pre="llama-bpe"), tmp_path / "other")
