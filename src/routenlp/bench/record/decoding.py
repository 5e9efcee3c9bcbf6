"""Writes several answers to each of many prompts at once with a Llama model, each token with its probability.

A prompt is read once, whatever the number of answers to it: they share its keys and values, and have their own only
for what they wrote. torch and transformers (extra `train`), on a CPU or a card, in float32 (on a card products are of
TF32). Probabilities are the model's own, p(y_i | y_<i, x), whatever the temperature that the token was drawn at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from routenlp.backends.generations import Ended

_LOOK_EVERY = 8
"""Steps between looks at who has ended: each makes the card wait."""


@dataclass(frozen=True, slots=True)
class Written:
    """One answer in tokens."""

    tokens: tuple[int, ...]
    """Without the end token."""
    probs: tuple[float, ...]
    """Of each token."""
    ended: Ended


def write_answers(
    model: Any,
    prompts: Sequence[Sequence[int]],
    temperatures: Sequence[float],
    *,
    end: int,
    most_tokens: int,
    seed: int,
) -> list[list[Written]]:
    """For each prompt one answer at each temperature; 0 is the likeliest token, step by step.

    `model`: a `LlamaForCausalLM` in evaluation mode. The same call on the same device gives the same answers.
    """
    with torch.inference_mode():
        state = _read(model, prompts, len(temperatures), most_tokens)
        tokens, probs = _write(model, state, temperatures, end, most_tokens, seed)
    return [
        [_cut(row.tolist(), p.tolist(), end) for row, p in zip(*both, strict=True)]
        for both in zip(tokens.cpu(), probs.cpu(), strict=True)
    ]


def _write(
    model: Any, state: _State, temperatures: Sequence[float], end: int, most_tokens: int, seed: int
) -> tuple[Any, Any]:
    """Tokens, filled up with `end`, and probabilities; shape (B, n, most tokens)."""
    device, rows, count = state.lengths.device, len(state.lengths), len(temperatures)
    heat = torch.tensor(temperatures, device=device)[None, :, None]
    drawn = torch.Generator(device).manual_seed(seed)
    tokens = torch.full((rows, count, most_tokens), end, device=device)
    probs = torch.zeros(tokens.shape, device=device)
    ended = torch.zeros((rows, count), dtype=torch.bool, device=device)
    logits = state.first[:, None].expand(-1, count, -1)
    at = torch.arange(rows, device=device)
    for t in range(most_tokens):
        chosen = _draw(logits, heat, drawn)
        tokens[at, :, t] = torch.where(ended[at], end, chosen)
        probs[at, :, t] = torch.softmax(logits, -1).gather(-1, chosen[..., None])[..., 0]
        ended[at] |= chosen == end
        if t % _LOOK_EVERY == _LOOK_EVERY - 1:
            going = ~ended[at].all(1)
            if not going.any():
                break
            if 2 * int(going.sum()) <= len(at):
                state, at, chosen = state.only(going), at[going], chosen[going]
        if t + 1 < most_tokens:
            logits = state.step(model, chosen, t)
    return tokens, probs


def _draw(logits: Any, heat: Any, drawn: torch.Generator) -> Any:
    """By Gumbel's trick: argmax(logits + T g) is a draw from softmax(logits / T)."""
    uniform = torch.rand(logits.shape, device=logits.device, generator=drawn).clamp_(1e-20, 1.0)
    gumbel = uniform.log_().neg_().clamp_(min=1e-20).log_().neg_()
    return gumbel.mul_(heat).add_(logits).argmax(-1)


def _cut(tokens: list[int], probs: list[float], end: int) -> Written:
    if end in tokens:
        size = tokens.index(end)
        return Written(tuple(tokens[:size]), tuple(probs[:size]), "stop")
    return Written(tuple(tokens), tuple(probs), "length")


@dataclass(slots=True, eq=False)
class _State:
    """Keys and values of B prompts of at most P tokens, and of the n answers to each; kv heads K, head size D."""

    lengths: Any
    """Tokens of each prompt, shape (B,)."""
    hidden: Any
    """-inf where a prompt has ended, else 0; shape (B, 1, 1, P)."""
    keys: list[Any]
    """By layer, shape (B, K, P, D)."""
    values: list[Any]
    own_keys: list[Any]
    """By layer, shape (B, K, n, most tokens, D)."""
    own_values: list[Any]
    first: Any
    """Logits of the first token, shape (B, vocabulary)."""

    def only(self, rows: Any) -> _State:
        """The prompts chosen by a mask."""
        read = [[tensor[rows] for tensor in of] for of in (self.keys, self.values)]
        own = [[tensor[rows] for tensor in of] for of in (self.own_keys, self.own_values)]
        return _State(self.lengths[rows], self.hidden[rows], read[0], read[1], own[0], own[1], self.first[rows])

    def step(self, model: Any, ids: Any, t: int) -> Any:
        """Reads token t of every answer, shape (B, n); logits of the next, shape (B, n, vocabulary)."""
        x = model.model.embed_tokens(ids)
        cos, sin = (part[:, :, None, None] for part in model.model.rotary_emb(x, (self.lengths + t)[:, None]))
        for i, layer in enumerate(model.model.layers):
            x = x + layer.self_attn.o_proj(self._attend(layer, i, layer.input_layernorm(x), cos, sin, t))
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return model.lm_head(model.model.norm(x)).float()

    def _attend(self, layer: Any, i: int, x: Any, cos: Any, sin: Any, t: int) -> Any:
        rows, kv, read, size = self.keys[i].shape
        count, attention = x.shape[1], layer.self_attn
        query = _turned(attention.q_proj(x).view(rows, count, kv, -1, size), cos, sin).transpose(1, 2)
        group = query.shape[3]
        self.own_keys[i][:, :, :, t] = _turned(attention.k_proj(x).view(rows, count, kv, 1, size), cos, sin)[
            ..., 0, :
        ].transpose(1, 2)
        self.own_values[i][:, :, :, t] = attention.v_proj(x).view(rows, count, kv, size).transpose(1, 2)
        own_keys, own_values = self.own_keys[i][:, :, :, : t + 1], self.own_values[i][:, :, :, : t + 1]
        query = query * size**-0.5
        shared = query.reshape(rows, kv, count * group, size) @ self.keys[i].transpose(2, 3) + self.hidden
        scores = torch.cat([shared.view(rows, kv, count, group, read), query @ own_keys.transpose(3, 4)], -1)
        weights = torch.softmax(scores, -1)
        out = weights[..., :read].reshape(rows, kv, count * group, read) @ self.values[i]
        out = out.view(rows, kv, count, group, size) + weights[..., read:] @ own_values
        return out.transpose(1, 2).reshape(rows, count, -1)


def _turned(x: Any, cos: Any, sin: Any) -> Any:
    """Rotary embedding, by halves."""
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat([-right, left], -1) * sin


def _read(model: Any, prompts: Sequence[Sequence[int]], count: int, most_tokens: int) -> _State:
    """Padded on the right: what comes after a prompt's end is never looked at."""
    device, longest = model.device, max(map(len, prompts))
    ids = torch.tensor([[*prompt, *[0] * (longest - len(prompt))] for prompt in prompts], device=device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    x = model.model.embed_tokens(ids)
    places = torch.arange(longest, device=device)[None]
    cos, sin = (part[:, None] for part in model.model.rotary_emb(x, places))
    keys, values = [], []
    for layer in model.model.layers:
        x, key, value = _read_layer(layer, x, cos, sin)
        keys.append(key)
        values.append(value)
    last = model.model.norm(x[torch.arange(len(prompts), device=device), lengths - 1])
    beyond = places >= lengths[:, None]
    hidden = torch.zeros(beyond.shape, device=device).masked_fill_(beyond, float("-inf"))[:, None, None]
    rows, kv, _, size = keys[0].shape
    own = [torch.empty((rows, kv, count, most_tokens, size), device=device, dtype=x.dtype) for _ in keys + keys]
    return _State(lengths, hidden, keys, values, own[: len(keys)], own[len(keys) :], model.lm_head(last).float())


def _read_layer(layer: Any, x: Any, cos: Any, sin: Any) -> tuple[Any, Any, Any]:
    """(what comes out, keys, values) of whole prompts, shapes (B, P, hidden) and (B, K, P, D)."""
    attention, read = layer.self_attn, layer.input_layernorm(x)
    rows, longest, _ = x.shape
    query, key, value = (
        part(read).view(rows, longest, -1, attention.head_dim).transpose(1, 2)
        for part in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    query, key = _turned(query, cos, sin), _turned(key, cos, sin)
    group = query.shape[1] // key.shape[1]
    repeated = (part.repeat_interleave(group, 1) for part in (key, value))
    out = torch.nn.functional.scaled_dot_product_attention(query, *repeated, is_causal=True)
    x = x + attention.o_proj(out.transpose(1, 2).reshape(rows, longest, -1))
    # Contiguous: every later step multiplies with them, and would copy them first.
    return x + layer.mlp(layer.post_attention_layernorm(x)), key.contiguous(), value.contiguous()
