"""What any claim of a router must beat: a few lines of TF-IDF and ridge, the text's length, the subject's mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray

SHRINK = 10.0
"""Rows of belief that a subject is like all others."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Queries with what the strong tier's answer gained over the weak one's."""

    texts: Sequence[str]
    subject: NDArray[np.int64]
    gain: FloatArray
    """q_strong - q_weak, shape (n,)."""


def tfidf_ridge(train: Labelled, test: Labelled) -> FloatArray:
    """Predicted gain, shape (n,): word and word-pair tf-idf, ridge with a penalty chosen by leaving rows out."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import cross_val_score

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    x = vectorizer.fit_transform(train.texts)
    penalties = (1.0, 3.0, 10.0, 30.0)
    scores = [
        cross_val_score(Ridge(alpha=a), x, train.gain, scoring="neg_mean_squared_error").mean() for a in penalties
    ]
    model = Ridge(alpha=penalties[int(np.argmax(scores))]).fit(x, train.gain)
    return np.asarray(model.predict(vectorizer.transform(test.texts)), dtype=np.float64)


def text_length(train: Labelled, test: Labelled) -> FloatArray:
    """The length of the text, up or down as it went with the gain in training."""
    known = np.log1p([len(text) for text in train.texts])
    sign = np.sign(np.corrcoef(known, train.gain)[0, 1])
    return np.asarray(sign * np.log1p([len(text) for text in test.texts]))


def subject_mean(train: Labelled, test: Labelled) -> FloatArray:
    """The mean gain of the subject's training rows, shrunk to that of all."""
    subjects = int(max(train.subject.max(), test.subject.max())) + 1
    rows = np.bincount(train.subject, minlength=subjects)
    sums = np.bincount(train.subject, weights=train.gain, minlength=subjects)
    means = (sums + SHRINK * train.gain.mean()) / (rows + SHRINK)
    return np.asarray(means[test.subject])


YARDSTICKS: dict[str, Callable[[Labelled, Labelled], FloatArray]] = {
    "text length": text_length,
    "TF-IDF + ridge": tfidf_ridge,
    "subject mean": subject_mean,
}
