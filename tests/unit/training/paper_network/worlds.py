"""Small worlds and small encoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from routenlp.grading.preferences import PreferencePairs
from routenlp.training.paper_network.labels import Goals

TASKS, K = 3, 3
LOW, HIGH = np.zeros(K), np.ones(K)
GOALS = Goals(np.full(TASKS, 0.5), np.array([1.0, 2.0, 10.0]))


@dataclass(frozen=True)
class World:
    """Queries on which a tier's chance of being right follows from the features, the task and the tier."""

    features: np.ndarray
    task: np.ndarray
    chance: np.ndarray
    quality: np.ndarray
    pairs: PreferencePairs

    def arguments(self) -> dict[str, Any]:
        """Of a fit by the contract."""
        return {"tasks": TASKS, "seed": 0, "low": LOW, "high": HIGH, "goals": GOALS}


def make_world(n: int = 240, d: int = 4) -> World:
    rng = np.random.default_rng(1)
    features, task = rng.normal(size=(n, d)).astype(np.float32), np.arange(n) % TASKS
    slopes = rng.normal(size=(d, 1)) * np.array([1.5, 1.0, 0.3])
    chance = 1 / (1 + np.exp(-(features @ slopes + np.array([-0.5, 0.3, 2.0]) + 0.5 * (task[:, None] - 1))))
    quality = (rng.random((n, K)) < chance).astype(np.float64)
    row = np.arange(n)
    first = rng.integers(0, K, n)
    second = (first + 1) % K
    share = (1 + quality[row, first] - quality[row, second]) / 2
    return World(features, task, chance, quality, PreferencePairs(row, first, second, share, np.ones(n)))


def small_bert(width: int = 24, wide: int = 48, vocabulary: int = 60) -> dict[str, np.ndarray]:
    """Six layers with the published names and few columns."""
    rng = np.random.default_rng(5)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.2, shape).astype(np.float32)

    out = {
        "embeddings.word_embeddings.weight": normal(vocabulary, width),
        "embeddings.position_embeddings.weight": normal(64, width),
        "embeddings.token_type_embeddings.weight": normal(2, width),
    }
    norms = ["embeddings"]
    for layer in range(6):
        prefix = f"encoder.layer.{layer}"
        dense = {f"{prefix}.attention.self.{part}": (width, width) for part in ("query", "key", "value")}
        dense[f"{prefix}.attention.output.dense"] = (width, width)
        dense |= {f"{prefix}.intermediate.dense": (wide, width), f"{prefix}.output.dense": (width, wide)}
        for name, shape in dense.items():
            out[f"{name}.weight"], out[f"{name}.bias"] = normal(*shape), normal(shape[0])
        norms += [f"{prefix}.attention.output", f"{prefix}.output"]
    for name in norms:
        out[f"{name}.LayerNorm.weight"], out[f"{name}.LayerNorm.bias"] = 1 + normal(width), normal(width)
    return out


def small_tokenizer() -> str:
    """A word-level tokenizer of 60 words, as JSON."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{i}" for i in range(56))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return str(tokenizer.to_str())
