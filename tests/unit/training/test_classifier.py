"""Label students learn from any usable rows, refuse the others by name, and know how often they are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from routenlp.backends.student.classifier import Mixture
from routenlp.errors import TrainingError
from routenlp.training.classifier import _parts, fit_classifiers
from routenlp.training.linear_fit import fit_kernel_ridge, fit_squared_hinge
from routenlp.training.mixture import fit_mixture
from routenlp.types import Example, Query, TrainingFold, Vectors

WORDS = {"bill": "pay invoice bill amount", "lost": "lost stolen card gone", "refund": "refund money back return"}


class LetterEncoder:
    """Counts of letters."""

    name = "letters/1"
    dim = 26

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.array([[t.count(chr(97 + i)) for i in range(26)] for t in texts], dtype=np.float32)


def rows(n: int, *, seed: int = 0, groups: int = 30) -> list[Example]:
    """Three words of the label's and two of any, so that no row is beyond doubt."""
    rng = np.random.default_rng(seed)
    everything = " ".join(WORDS.values()).split()
    out = []
    for i in range(n):
        label = sorted(WORDS)[i % 3]
        words = [*rng.choice(WORDS[label].split(), 2), *rng.choice(everything, 3)]
        out.append(Example(Query(f"{seed}-{i}", "support", " ".join(words)), label, f"g{i % groups}"))
    return out


def fold(examples: Sequence[Example]) -> TrainingFold:
    return TrainingFold("support", tuple(examples))


def test_both_students_learn_and_say_how_sure_they_are() -> None:
    pair = fit_classifiers(fold(rows(300)), LetterEncoder())
    held_out = rows(300, seed=1)
    for student in (pair.ngram.student, pair.minilm.student):
        predictions = student.predict([example.query for example in held_out])
        right = np.array([p.text == e.reference for p, e in zip(predictions, held_out, strict=True)])
        sure = np.array([p.token_probs[0] for p in predictions if p.token_probs])
        assert right.mean() > 0.8
        assert abs(sure.mean() - right.mean()) < 0.07
        assert sure[right].mean() > sure[~right].mean()


def test_the_same_rows_give_the_same_bytes() -> None:
    first, second = (fit_classifiers(fold(rows(60)), LetterEncoder()).minilm.student.parts() for _ in range(2))
    assert first.meta == second.meta
    assert all(first.arrays[name].tobytes() == second.arrays[name].tobytes() for name in first.arrays)


def test_a_label_with_one_row_is_learned_from() -> None:
    single = Example(Query("x", "support", "wholly different words here"), "rare", "g0")
    student = fit_classifiers(fold([*rows(60), single]), LetterEncoder()).ngram.student
    assert "rare" in student.labels
    assert student.predict([rows(1)[0].query])[0].text in WORDS


def test_blank_and_odd_texts_are_rows_like_any() -> None:
    odd = [
        Example(Query(f"o{i}", "support", t), "lost", f"g{i}") for i, t in enumerate(["", "\0", "\ud800", "?" * 9000])
    ]
    assert fit_classifiers(fold([*rows(30), *odd]), LetterEncoder()).minilm.student.labels == ("bill", "lost", "refund")


def test_texts_without_a_shared_ngram_still_give_a_student() -> None:
    strange = [Example(Query(str(i), "support", chr(0x4E00 + i)), "ab"[i % 2], f"g{i}") for i in range(4)]
    assert fit_classifiers(fold(strange), LetterEncoder()).ngram.student.predict([Query("q", "support", "new")])[
        0
    ].text in {"a", "b"}


@pytest.mark.parametrize(
    ("examples", "problem"),
    [
        ([], "no training rows"),
        ([e for e in rows(30) if e.reference == "bill"], "one label only"),
        (rows(30, groups=1), "one group"),
    ],
)
def test_unusable_rows_are_refused_with_the_task_named(examples: list[Example], problem: str) -> None:
    with pytest.raises(TrainingError, match=f"support.*{problem}"):
        fit_classifiers(fold(examples), LetterEncoder())


def test_no_group_is_in_two_parts_and_parts_are_even() -> None:
    examples = rows(300, groups=17)
    parts = _parts(examples)
    assert len({(e.group, int(p)) for e, p in zip(examples, parts, strict=True)}) == 17
    assert np.ptp(np.bincount(parts)) <= 300 // 17 + 1


def test_squared_hinge_separates_what_can_be_separated() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 90)
    points = (np.eye(3)[codes] * 4 + rng.normal(size=(90, 3)) * 0.3).astype(np.float32)
    line = fit_squared_hinge(points, codes, 3, c=2.0, steps=60)
    assert (line.scores(points).argmax(1) == codes).all()


def test_kernel_ridge_bends_round_a_label_in_the_middle() -> None:
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    units = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    codes = (np.arange(60) // 10 % 2).astype(np.int64)
    near = fit_kernel_ridge(units, codes, 2, gamma=20.0, ridge=0.01)
    assert (near.scores(units).argmax(1) == codes).mean() > 0.95


def test_a_head_of_noise_gets_little_weight() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 500)
    good = np.eye(4)[codes] * 2 + rng.normal(size=(500, 4))
    mixture = fit_mixture(np.stack([good, rng.normal(size=(500, 4))], axis=1).astype(np.float32), codes)
    assert isinstance(mixture, Mixture)
    assert mixture.weights[1] < 0.1 * mixture.weights[0]
