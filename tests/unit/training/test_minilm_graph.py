"""The graph computes BERT: checked against a plain numpy BERT on small random weights."""

from __future__ import annotations

from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from routenlp.errors import CorruptData
from routenlp.training.minilm_graph import build_int8, float_graph

onnxruntime = pytest.importorskip("onnxruntime")
safetensors = pytest.importorskip("safetensors.numpy")

HIDDEN, WIDE, HEADS, VOCABULARY = 48, 96, 12, 30_522
Tensors = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """Weights with the published names and few columns."""
    random = np.random.default_rng(5)

    def normal(*shape: int) -> NDArray[np.float32]:
        return random.normal(0, 0.15, shape).astype(np.float32)

    out = {
        "embeddings.word_embeddings.weight": normal(VOCABULARY, HIDDEN),
        "embeddings.position_embeddings.weight": normal(512, HIDDEN),
        "embeddings.token_type_embeddings.weight": normal(2, HIDDEN),
    }
    norms = ["embeddings"]
    for layer in range(6):
        prefix = f"encoder.layer.{layer}"
        shapes = dict.fromkeys(
            [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")], (HIDDEN, HIDDEN)
        )
        shapes |= {
            f"{prefix}.attention.output.dense": (HIDDEN, HIDDEN),
            f"{prefix}.intermediate.dense": (WIDE, HIDDEN),
            f"{prefix}.output.dense": (HIDDEN, WIDE),
        }
        for name, shape in shapes.items():
            out[f"{name}.weight"], out[f"{name}.bias"] = normal(*shape), normal(shape[0])
        norms += [f"{prefix}.attention.output", f"{prefix}.output"]
    for name in norms:
        out[f"{name}.LayerNorm.weight"], out[f"{name}.LayerNorm.bias"] = 1 + normal(HIDDEN), normal(HIDDEN)
    return out


def plain_bert(w: Tensors, ids: list[int]) -> list[NDArray[np.float64]]:
    """Token vectors after every layer, straight from the definition."""

    def norm(x: Any, name: str) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * w[f"{name}.LayerNorm.weight"] + w[f"{name}.LayerNorm.bias"]

    def dense(x: Any, name: str) -> Any:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x + w["embeddings.position_embeddings.weight"][: len(ids)], "embeddings")
    layers = []
    for layer in range(6):
        p = f"encoder.layer.{layer}"
        q, k, v = (
            dense(x, f"{p}.attention.self.{part}").reshape(len(ids), HEADS, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = np.exp(q @ k.swapaxes(1, 2) / np.sqrt(HIDDEN / HEADS))
        attended = (scores / scores.sum(-1, keepdims=True)) @ v
        flat = attended.swapaxes(0, 1).reshape(len(ids), HIDDEN)
        x = norm(x + dense(flat, f"{p}.attention.output.dense"), f"{p}.attention.output")
        wide = dense(x, f"{p}.intermediate.dense")
        active = wide * 0.5 * (1 + np.vectorize(erf)(wide / np.sqrt(2)))
        x = norm(x + dense(active, f"{p}.output.dense"), f"{p}.output")
        layers.append(x)
    return layers


def run(model: bytes | str, ids: list[int]) -> tuple[Any, Any]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    final, middle = session.run(["final", "middle"], {"input_ids": np.array([ids])})
    return final[0], middle[0]


@pytest.mark.parametrize("ids", [[101, 102], [101, 7, 2054, 29999, 102]])
def test_the_float_graph_is_bert(tensors: Tensors, ids: list[int]) -> None:
    final, middle = run(float_graph(tensors).SerializeToString(), ids)
    layers = plain_bert(tensors, ids)
    np.testing.assert_allclose(final, layers[5], atol=5e-3)
    np.testing.assert_allclose(middle, layers[2], atol=5e-3)


def test_the_int8_graph_is_near_the_float_graph(tensors: Tensors, tmp_path: Path) -> None:
    safetensors.save_file(tensors, tmp_path / "model.safetensors")
    build_int8(tmp_path / "model.safetensors", tmp_path / "out" / "model.onnx")
    ids = [101, 2054, 2003, 7909, 102]
    final, _ = run(str(tmp_path / "out" / "model.onnx"), ids)
    exact, _ = run(float_graph(tensors).SerializeToString(), ids)
    cosine = (final * exact).sum(-1) / np.linalg.norm(final, axis=-1) / np.linalg.norm(exact, axis=-1)
    assert cosine.min() > 0.99


def test_the_same_weights_give_the_same_bytes(tensors: Tensors, tmp_path: Path) -> None:
    safetensors.save_file(tensors, tmp_path / "model.safetensors")
    for name in ("one.onnx", "two.onnx"):
        build_int8(tmp_path / "model.safetensors", tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_a_truncated_file_is_corrupt_and_leaves_nothing(tensors: Tensors, tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    safetensors.save_file(tensors, weights)
    weights.write_bytes(weights.read_bytes()[:10_000])
    with pytest.raises(CorruptData, match="safetensors"):
        build_int8(weights, tmp_path / "out" / "model.onnx")
    assert not (tmp_path / "out").exists()


def test_a_missing_tensor_is_named(tensors: Tensors, tmp_path: Path) -> None:
    name = "encoder.layer.5.output.dense.bias"
    safetensors.save_file({key: value for key, value in tensors.items() if key != name}, tmp_path / "model.safetensors")
    with pytest.raises(CorruptData, match=name):
        build_int8(tmp_path / "model.safetensors", tmp_path / "model.onnx")
