"""The encoder trained with the heads, and served by onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.training.paper_network.worlds import GOALS, HIGH, LOW, small_bert, small_tokenizer

from routenlp.backends.encoders.cls_token import ClsToken, open_tokenizer, token_ids
from routenlp.errors import CorruptData, SettingsError, TrainingError
from routenlp.store import artefacts
from routenlp.training.paper_network.export import encoder_parts
from routenlp.training.paper_network.fine_tune import FineTuned, fine_tune
from routenlp.training.paper_network.settings import PaperNetworkSettings

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

N = 96
SETTINGS = PaperNetworkSettings.paper(
    trained_layers=2, epochs=3, batch=16, rate=5e-3, encoder_rate=2e-3, decay=0.01, own_decay=0.1
)
TASK = np.arange(N) % 3


def make_texts() -> list[str]:
    """Every third text has the word that makes cheap tiers fail."""
    rng = np.random.default_rng(2)
    return [
        " ".join([*(f"w{w}" for w in rng.integers(5, 50, rng.integers(1, 9))), *(["w1"] if i % 3 == 0 else [])])
        for i in range(N)
    ]


TEXTS = make_texts()
QUALITY = np.array([[0.0, 0.0, 1.0] if "w1" in text.split() else [1.0, 1.0, 1.0] for text in TEXTS])


def tune(settings: PaperNetworkSettings = SETTINGS, **change: object) -> FineTuned:
    tokenizer = open_tokenizer(small_tokenizer())
    arguments = {"published": small_bert(), "ids": [token_ids(tokenizer, text) for text in TEXTS], "task": TASK}
    arguments |= {"targets": QUALITY, "tasks": 3, "seed": 0, "low": LOW, "high": HIGH, "goals": GOALS}
    return fine_tune(**(arguments | {"settings": settings} | change))


@pytest.fixture(scope="module")
def tuned() -> FineTuned:
    return tune()


@pytest.mark.slow
def test_the_loss_falls_and_only_the_last_layers_move(tuned: FineTuned) -> None:
    assert tuned.losses[-1] < tuned.losses[0]
    published = small_bert()
    moved = {name for name, value in tuned.tensors.items() if not np.allclose(value, published[name], atol=2e-3)}
    assert moved
    assert {name.split(".")[2] for name in moved if name.startswith("encoder")} <= {"4", "5"}
    assert not any(name.startswith("embeddings") for name in moved)


@pytest.mark.slow
def test_serving_gives_what_torch_gives(tuned: FineTuned, tmp_path: Path) -> None:
    from routenlp.training.paper_network import bert

    artefacts.write(tmp_path / "network", {"encoder": encoder_parts(tuned.tensors, small_tokenizer())})
    encoder = ClsToken.from_parts(artefacts.read(tmp_path / "network")["encoder"])
    ids = [token_ids(encoder.tokenizer, text) for text in TEXTS]
    with torch.no_grad():
        vectors = bert.cls_vectors(bert.load(tuned.tensors, 0), ids).numpy()
    served = encoder.encode(TEXTS)
    np.testing.assert_allclose(
        tuned.model.probabilities(served, TASK), tuned.model.probabilities(vectors, TASK), atol=1e-4
    )
    np.testing.assert_allclose(tuned.model.estimate(served, TASK), tuned.model.estimate(vectors, TASK), atol=1e-4)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(tuned: FineTuned) -> None:
    again = tune()
    assert {k: v.tobytes() for k, v in again.tensors.items()} == {k: v.tobytes() for k, v in tuned.tensors.items()}
    graphs = [encoder_parts(found.tensors, small_tokenizer()).arrays["graph"].tobytes() for found in (tuned, again)]
    assert graphs[0] == graphs[1]
    assert again.model.weights.tobytes() == tuned.model.weights.tobytes()


def test_a_frozen_encoder_stays_as_it_is() -> None:
    found = tune(PaperNetworkSettings.paper(epochs=1, batch=32))
    published = small_bert()
    name = "encoder.layer.5.output.dense.weight"
    np.testing.assert_array_equal(found.tensors[name], published[name])


def test_a_row_does_not_depend_on_its_neighbours_length() -> None:
    from routenlp.training.paper_network import bert

    tensors = bert.load(small_bert(), 0)
    alone = bert.cls_vectors(tensors, [[2, 7, 3]])
    padded = bert.cls_vectors(tensors, [[2, 7, 3], [2, *range(5, 40), 3]])
    np.testing.assert_allclose(padded[0].numpy(), alone[0].numpy(), atol=1e-5)


def test_more_layers_than_there_are_are_refused() -> None:
    with pytest.raises(SettingsError, match="trained_layers: is 7. Give 0 to 6".replace(".", r"\.")):
        tune(PaperNetworkSettings.paper(trained_layers=7))


def test_weights_of_something_else_are_refused() -> None:
    with pytest.raises(CorruptData, match="word_embeddings"):
        tune(published={"lm_head.weight": np.zeros((2, 2), dtype=np.float32)})


def test_a_text_for_each_row_is_needed() -> None:
    with pytest.raises(TrainingError, match="1 texts for 96 rows"):
        tune(ids=[[2, 3]])
