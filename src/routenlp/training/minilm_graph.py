"""Builds the int8 ONNX graph of all-MiniLM-L6-v2 from its published weights, without torch.

The graph (BERT, 6 layers, 384 wide, 12 heads; Wang et al., arXiv:2002.10957) takes one row and no mask:
`input_ids` int64 (1, s) gives `final` and `middle`, float32 (1, s, 384), the token vectors after the last and
the third layer. Fused operators are written directly (packed attention bias, skip + LayerNorm, bias + GELU).

Only the matrix products are quantised: weights int8 per output channel in 7 bits, activations dynamically.
Seven bits, because 8-bit products saturate on CPUs without VNNI, which costs accuracy and would make vectors
depend on the machine. A few activation channels are ten times wider than the rest; their width is first moved
into the weights (SmoothQuant, arXiv:2211.10438). The word table is stored as float16.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import CorruptData, SettingsError

GRAPH_VERSION = 1
"""Rises when the graph made from the same weights would give other vectors."""

_HEADS = 12
_LAYERS = 6
_MIDDLE_LAYER = 3
_EPSILON = 1e-12
_MICROSOFT = "com.microsoft"
_LARGEST_WEIGHT = 64
"""Of int8 weights: 7 bits, so that no sum of two products leaves 16 bits."""
_STRENGTH = 0.8
"""SmoothQuant's alpha: how much of an activation's width goes into the weights."""

# Token ids of eight sentences of the kinds that are routed: a bank's customer, a contract, an earnings report,
# a shop's customer, a call transcript, a news wire, code, and one with other alphabets.
_CALIBRATION = (
    "101 2054 2003 1996 3863 3446 2005 1037 7909 1999 19329 1010 1998 2339 2001 1045 5338 1037 7408 3807 1029 102",
    "101 1996 17781 2121 4618 27427 6633 3490 12031 1998 2907 19741 2169 18496 2121 2114 2035 6409 1010 4447 1010"
    " 12394 1998 22393 14680 17707 2104 2930 1018 1012 1016 1006 1038 1007 1997 2023 3820 1012 102",
    "101 6599 3123 2260 1012 1019 1003 2000 1002 1017 1012 1018 4551 1999 1996 2353 4284 1997 10476 1010 2096"
    " 5658 3318 3062 2000 1574 17465 2692 2454 1025 18288 2018 3517 1015 1012 2322 2566 3745 1012 102",
    "101 7632 2026 2344 1001 6070 17465 2509 2196 3369 999 999 999 20228 2015 4604 1037 25416 8630 17306 2361"
    " 1010 16215 2595 1024 1007 102",
    "101 6872 1024 2204 2851 1010 3071 1012 4067 2017 2005 5241 2149 2651 1012 2198 3044 1010 2256 2708 3237"
    " 2961 1010 2097 6848 1996 3463 1012 102",
    "101 1057 1012 1050 1012 2880 23969 10600 4641 2005 13952 1012 4715 1011 2900 2131 5341 2663 1010 2859 1999"
    " 4474 4154 1012 102",
    "101 13366 1042 1006 1060 1007 1024 2709 1063 1047 1024 1058 1008 1008 1016 2005 1047 1010 1058 1999 1060 1012"
    " 5167 1006 1007 1065 1001 16770 1024 1013 1013 2742 1012 4012 1013 1037 1029 1038 1027 1015 102",
    "101 4315 8040 7295 14774 21909 2063 11865 18069 3500 2102 19169 7939 6904 9307 2078 15876 4859 1010 1855 100"
    " 100 100 100 100 1636 102",
)

Tensors = Mapping[str, NDArray[Any]]


def build_int8(weights: Path, out: Path) -> None:
    """Writes the int8 graph of the safetensors file `weights` to `out`; same input, same bytes.

    Atomic: `out` is complete or untouched. Raises `CorruptData` when the file cannot be read or lacks a
    tensor, `SettingsError` when the extra `offline` is not installed.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401 - runs the float graph once; better to miss it here than halfway
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as exc:
        raise SettingsError("encoder", f"{exc.name} is not installed", "Install routenlp[offline].") from exc
    try:
        tensors = load_file(weights)
    except (SafetensorError, OSError) as exc:
        raise CorruptData(str(weights), f"not a readable safetensors file ({exc})", "Fetch it again.") from exc
    model = int8_graph(tensors)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".graph-") as scratch:
        path = Path(scratch, out.name)
        onnx.save(model, path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(out)


def float_graph(tensors: Tensors) -> Any:
    """The graph in float32 as an `onnx.ModelProto`: what the int8 graph is measured against."""
    return _model(_assemble(tensors, None), ("final", "middle"))


def int8_graph(tensors: Tensors) -> Any:
    """The graph with int8 matrix products as an `onnx.ModelProto`."""
    return _model(_assemble(tensors, _learn_divisors(tensors)), ("final", "middle"))


class _Graph:
    """Nodes and weights in the making. `divisors`, by tensor that enters a product: None makes a float graph."""

    def __init__(self, tensors: Tensors, divisors: Mapping[str, NDArray[np.float32]] | None) -> None:
        from onnx import helper, numpy_helper

        self._tensors = tensors
        self._divisors = divisors
        self._make_node = helper.make_node
        self._to_proto = numpy_helper.from_array
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.products: dict[str, NDArray[np.float32]] = {}
        """For every tensor that enters a matrix product: the largest weight that each channel meets."""

    def tensor(self, name: str) -> NDArray[Any]:
        """A published tensor; `CorruptData` when the file lacks it."""
        try:
            return self._tensors[name]
        except KeyError:
            raise CorruptData("model.safetensors", f"has no tensor {name!r}", "Fetch it again.") from None

    def weight(self, name: str, value: NDArray[Any]) -> str:
        self.weights.append(self._to_proto(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(self._make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def norm(self, prefix: str) -> tuple[str, str]:
        """Names of a LayerNorm's scale and shift."""
        return (
            self.weight(f"{prefix}.scale", self.tensor(f"{prefix}.LayerNorm.weight")),
            self.weight(f"{prefix}.shift", self.tensor(f"{prefix}.LayerNorm.bias")),
        )

    def project(self, x: str, *prefixes: str) -> list[str]:
        """x W^T for each W, without its bias, which the next fused operator adds."""
        weights = [np.ascontiguousarray(self.tensor(f"{prefix}.weight").T) for prefix in prefixes]
        self.products[x] = np.max([np.abs(weight).max(axis=1) for weight in weights], axis=0)
        if self._divisors is None:
            return [
                self.node("MatMul", [x, self.weight(f"{prefix}.weight", weight)], f"{prefix}.product")
                for prefix, weight in zip(prefixes, weights, strict=True)
            ]
        divisor = self._divisors[x]
        smooth = self.node("Mul", [x, self.weight(f"{x}.inverse", 1 / divisor)], f"{x}.smooth")
        quantised = [f"{smooth}.{part}" for part in ("int8", "scale", "zero")]
        self.nodes.append(self._make_node("DynamicQuantizeLinear", [smooth], quantised, name=f"{smooth}.quantise"))
        return [
            self._int8_product(quantised, prefix, weight * divisor[:, None])
            for prefix, weight in zip(prefixes, weights, strict=True)
        ]

    def _int8_product(self, quantised: Sequence[str], prefix: str, weight: NDArray[np.float32]) -> str:
        x, x_scale, x_zero = quantised
        scale = np.abs(weight).max(axis=0) / np.float32(_LARGEST_WEIGHT)
        scale[scale == 0] = 1
        rounded = np.rint(weight / scale).astype(np.int8)
        inputs = [x, self.weight(f"{prefix}.weight", rounded), x_scale, self.weight(f"{prefix}.step", scale), x_zero]
        return self.node("MatMulIntegerToFloat", inputs, f"{prefix}.product", domain=_MICROSOFT)

    def bias(self, prefix: str) -> str:
        return self.weight(f"{prefix}.bias", self.tensor(f"{prefix}.bias"))


def _assemble(tensors: Tensors, divisors: Mapping[str, NDArray[np.float32]] | None) -> _Graph:
    graph = _Graph(tensors, divisors)
    x = _embed(graph)
    for layer in range(_LAYERS):
        output = {_MIDDLE_LAYER - 1: "middle", _LAYERS - 1: "final"}.get(layer, f"layer.{layer}")
        x = _layer(graph, f"encoder.layer.{layer}", x, output)
    return graph


def _model(graph: _Graph, output_names: Sequence[str]) -> Any:
    from onnx import TensorProto, helper

    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in output_names]
    return helper.make_model(
        helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", [ids], outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(_MICROSOFT, 1)],
        ir_version=8,
        producer_name="routenlp",
    )


def _embed(graph: _Graph) -> str:
    words = graph.tensor("embeddings.word_embeddings.weight").astype(np.float16)
    token_type = graph.tensor("embeddings.token_type_embeddings.weight")[0]
    positions = graph.tensor("embeddings.position_embeddings.weight") + token_type
    table = graph.weight("words", words)
    looked_up = graph.node("Gather", [table, "input_ids"], "words.half", axis=0)
    word_vectors = graph.node("Cast", [looked_up], "words.float", to=1)
    length = graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    zero = graph.weight("zero", np.zeros(1, dtype=np.int64))
    position_table = graph.weight("positions", positions)
    position_vectors = graph.node("Slice", [position_table, zero, length, zero], "positions.used")
    summed = graph.node("Add", [word_vectors, position_vectors], "embeddings.sum")
    norm = graph.norm("embeddings")
    return graph.node("LayerNormalization", [summed, *norm], "embeddings.out", axis=-1, epsilon=_EPSILON)


def _layer(graph: _Graph, prefix: str, x: str, output: str) -> str:
    own = f"{prefix}.attention.self"
    parts = ("query", "key", "value")
    products = graph.project(x, *(f"{own}.{part}" for part in parts))
    bias = np.concatenate([graph.tensor(f"{own}.{part}.bias") for part in parts])
    attended = graph.node(
        "MultiHeadAttention",
        [*products, graph.weight(f"{own}.bias", bias)],
        f"{own}.out",
        domain=_MICROSOFT,
        num_heads=_HEADS,
    )
    x = _skip_norm(graph, f"{prefix}.attention.output", attended, x, f"{prefix}.attention.normed")
    (wide,) = graph.project(x, f"{prefix}.intermediate.dense")
    wide_bias = graph.bias(f"{prefix}.intermediate.dense")
    active = graph.node("BiasGelu", [wide, wide_bias], f"{prefix}.active", domain=_MICROSOFT)
    return _skip_norm(graph, f"{prefix}.output", active, x, output)


def _skip_norm(graph: _Graph, prefix: str, inner: str, skip: str, output: str) -> str:
    """LayerNorm(skip + inner W^T + b)."""
    (projected,) = graph.project(inner, f"{prefix}.dense")
    scale, shift = graph.norm(prefix)
    inputs = [projected, skip, scale, shift, graph.bias(f"{prefix}.dense")]
    return graph.node("SkipLayerNormalization", inputs, output, domain=_MICROSOFT, epsilon=_EPSILON)


def _learn_divisors(tensors: Tensors) -> dict[str, NDArray[np.float32]]:
    """SmoothQuant's divisors, from the widths that activations have on `_CALIBRATION`.

    Rounded to powers of two: scaling is then exact, and the last bits of another CPU do not change the file.
    """
    import onnxruntime

    graph = _assemble(tensors, None)
    names = list(graph.products)
    session = onnxruntime.InferenceSession(_model(graph, names).SerializeToString(), providers=["CPUExecutionProvider"])
    widths = {name: np.zeros(1, dtype=np.float32) for name in names}
    for row in _CALIBRATION:
        for name, value in zip(
            names, session.run(names, {"input_ids": np.array([row.split()], dtype=np.int64)}), strict=True
        ):
            widths[name] = np.maximum(widths[name], np.abs(value[0]).max(axis=0))
    return {name: _divisors(widths[name], graph.products[name]) for name in names}


def _divisors(activation: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    log = _STRENGTH * np.log2(np.maximum(activation, 1e-6)) - (1 - _STRENGTH) * np.log2(np.maximum(weight, 1e-6))
    divisors: NDArray[np.float32] = np.exp2(np.rint(log - log.mean())).astype(np.float32)
    return divisors
