"""Plain LoRA is read; whatever adds something else to the weights is refused by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

from routenlp.errors import ArtefactError
from routenlp.training.lora import CONFIG, WEIGHTS, read_lora

safetensors = pytest.importorskip("safetensors.numpy")

MODULE = "model.layers.0.mlp.up_proj"
PLAIN = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none", "init_lora_weights": True, "use_dora": False}


def written(folder, config=PLAIN, **tensors):
    folder.mkdir(exist_ok=True)
    given = {
        "lora_A": np.array([[1, 2, 3], [0, 1, 0]]),
        "lora_B": np.array([[1, 0], [0, 1], [1, 1], [0, 0]]),
        **tensors,
    }
    named = {
        f"base_model.model.{MODULE}.{part}.weight": np.ascontiguousarray(value, dtype=np.float16)
        for part, value in given.items()
        if value is not None
    }
    safetensors.save_file(named, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(config))
    return folder


def test_what_it_adds_is_the_product_of_the_pair_times_alpha_over_rank(tmp_path):
    lora = read_lora(written(tmp_path))
    np.testing.assert_array_equal(
        lora.added(MODULE, (4, 3)), 2.0 * np.array([[1, 2, 3], [0, 1, 0], [1, 3, 3], [0, 0, 0]])
    )
    assert lora.added("model.layers.1.mlp.up_proj", (4, 3)) is None


def test_weights_of_another_shape_are_refused(tmp_path):
    with pytest.raises(ArtefactError, match=r"\(4, 3\).*\(3, 4\)"):
        read_lora(written(tmp_path)).added(MODULE, (3, 4))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"use_rslora": True}, "use_rslora"),
        ({"bias": "lora_only"}, "bias is 'lora_only'"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"rank_pattern": {"up_proj": 4}}, "rank_pattern"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
        ({"of_a_later_version": 1}, "of_a_later_version"),
        ({"peft_type": "VERA"}, "VERA"),
        ({"r": 0}, "LORA"),
        ({"r": None}, "cannot be read"),
    ],
)
def test_what_is_no_plain_lora_is_refused_by_name(tmp_path, changed, named):
    with pytest.raises(ArtefactError, match=named):
        read_lora(written(tmp_path, config=PLAIN | changed))


@pytest.mark.parametrize(
    "tensors",
    [
        {"lora_B": None},
        {"lora_A": None, "lora_B": None, "lora_C": np.ones((2, 2))},
        {"lora_magnitude_vector": np.ones((4, 1))},
        {"lora_A": np.ones((3, 3)), "lora_B": np.ones((4, 3))},
        {"lora_A": np.ones((2, 3, 1))},
    ],
)
def test_weights_that_are_no_pairs_of_the_rank_are_refused(tmp_path, tensors):
    with pytest.raises(ArtefactError, match=WEIGHTS):
        read_lora(written(tmp_path, **tensors))


def test_a_folder_that_is_no_adapter_says_what_is_lacking(tmp_path):
    with pytest.raises(ArtefactError, match=CONFIG):
        read_lora(tmp_path)
    (written(tmp_path / "cut") / WEIGHTS).write_bytes(b"\0" * 20)
    with pytest.raises(ArtefactError, match=WEIGHTS):
        read_lora(tmp_path / "cut")
