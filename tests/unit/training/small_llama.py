"""A Llama model of two small layers, and its GGUF file as llama.cpp's converter would write it."""

from __future__ import annotations

import numpy as np
from tests.unit.backends.gguf_file import plain, write_gguf

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def as_converted(rows, heads):
    """As llama.cpp's converter orders the rows of query and key."""
    return rows.reshape(heads, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def as_gguf(model, path, pre="smollm"):
    config = model.config
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    tensors = {}
    for name, weight in model.state_dict().items():
        array = weight.numpy().astype(np.float16).astype(np.float32)
        if name == "model.embed_tokens.weight":
            tensors["token_embd.weight"] = plain(array)
        elif name == "model.norm.weight":
            tensors["output_norm.weight"] = plain(array)
        elif name.startswith("model.layers."):
            _, _, layer, part = name.removesuffix(".weight").split(".", 3)
            known = NAMES[part]
            tensors[f"blk.{layer}.{known}.weight"] = plain(
                as_converted(array, heads[known]) if known in heads else array
            )
    from tokenizers.pre_tokenizers import ByteLevel

    tokens = ["<|end|>", *sorted(ByteLevel.alphabet()), "ab"]
    about = {
        "general.architecture": "llama",
        "llama.block_count": config.num_hidden_layers,
        "llama.context_length": 64,
        "llama.embedding_length": config.hidden_size,
        "llama.feed_forward_length": config.intermediate_size,
        "llama.attention.head_count": config.num_attention_heads,
        "llama.attention.head_count_kv": config.num_key_value_heads,
        "llama.rope.freq_base": 10_000.0,
        "llama.attention.layer_norm_rms_epsilon": 1e-6,
        "llama.vocab_size": config.vocab_size,
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, *[1] * 257],
        "tokenizer.ggml.merges": ["a b"],
        **{f"tokenizer.ggml.{name}_token_id": 0 for name in ("bos", "eos", "padding", "unknown")},
        "tokenizer.chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}",
    }
    return write_gguf(path, about, tensors)


def small_llama():
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=258,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    return transformers.LlamaForCausalLM(config).eval()
