"""Writes a chat completion around an answer that no endpoint gave."""

from __future__ import annotations

import math

import msgspec

from routenlp.types import Answer

_LEAST = -9999.0
"""The logarithm of nothing, as OpenAI writes it."""


def made_completion(
    answer: Answer, *, id_: str, created_s: float, model: str, finish_reason: str, logprobs: bool
) -> bytes:
    """In OpenAI's shape. `logprobs`: the client asked for them; null where the answer has no probabilities."""
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": _logprobs(answer) if logprobs else None,
        "finish_reason": finish_reason,
    }
    usage = {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }
    head = {"id": id_, "object": "chat.completion", "created": int(created_s), "model": model}
    return msgspec.json.encode({**head, "choices": [choice], "usage": usage})


def _logprobs(answer: Answer) -> dict[str, object] | None:
    """One entry a decision. A model that decides has no tokens: the whole text stands with the first decision, so that
    the entries' tokens make up the text and their probabilities multiply to the answer's."""
    if answer.token_probs is None:
        return None
    texts = [answer.text, *[""] * (len(answer.token_probs) - 1)]
    entries = [
        {"token": text, "logprob": _log(p), "bytes": list(text.encode("utf-8", "replace")), "top_logprobs": []}
        for text, p in zip(texts, answer.token_probs, strict=False)
    ]
    return {"content": entries, "refusal": None}


def _log(probability: float) -> float:
    return max(math.log(probability), _LEAST) if probability > 0.0 else _LEAST
