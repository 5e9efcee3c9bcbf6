"""Students answer thousands of rows a round: texts are hashed once for all rounds, and heads are products of matrices.

A row's prediction is the one that the student gives alone, but for rounding in the last digits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from routenlp.backends.student.classifier import Classifier, NgramHead
from routenlp.backends.student.tagger import SCHEMA, UNKNOWN, Tagger
from routenlp.bench.loop.bulk_tags import tag_all
from routenlp.bench.loop.hashed_texts import HashedTexts
from routenlp.contracts import Student
from routenlp.types import FloatArray, Prediction, Query

_ROWS_AT_ONCE = 1_000


def answer_all(student: Student, queries: Sequence[Query], texts: HashedTexts) -> list[Prediction]:
    """`student.predict(queries)`, by what is known of the texts already where the student is a classifier or tagger."""
    out: list[Prediction] = []
    for start in range(0, len(queries), _ROWS_AT_ONCE):
        block = queries[start : start + _ROWS_AT_ONCE]
        if isinstance(student, Classifier):
            out += _classify(student, [q.text for q in block], texts)
        elif isinstance(student, Tagger):
            out += _tag(student, block, texts)
        else:
            out += student.predict(block)
    return out


def _tag(student: Tagger, queries: Sequence[Query], texts: HashedTexts) -> list[Prediction]:
    out = [UNKNOWN] * len(queries)
    for name, label_set in student.label_sets.items():
        rows = [i for i, query in enumerate(queries) if query.metadata.get(SCHEMA, "") == name]
        said = tag_all(label_set, student.encoder, [queries[i].text for i in rows], texts)
        for i, prediction in zip(rows, said, strict=True):
            out[i] = prediction
    return out


def _classify(student: Classifier, texts: Sequence[str], hashed: HashedTexts) -> list[Prediction]:
    heads = [_linear(student.ngrams, texts, hashed)]
    if student.kernel is not None and student.encoder is not None:
        kernel = student.kernel
        units = kernel.projection.apply(student.encoder.encode(texts))
        near = np.exp(np.float32(2.0 * kernel.gamma) * (units @ kernel.anchors.T - np.float32(1.0)))
        heads.append(near @ kernel.duals + kernel.mean)
    scores = np.stack(heads, axis=1).astype(np.float64)
    chosen, evidence = student.mixture.evidence(scores)
    logits = evidence @ student.mixture.trust + student.mixture.label_trust[chosen]
    right = 1.0 / (1.0 + np.exp(-logits))
    commonest = int(student.prior.argmax())
    blank = Prediction(student.labels[commonest], (float(student.prior[commonest]),))
    return [
        Prediction(student.labels[int(label)], (float(p),)) if text.strip() else blank
        for text, label, p in zip(texts, chosen, right, strict=True)
    ]


def _linear(head: NgramHead, texts: Sequence[str], hashed: HashedTexts) -> FloatArray:
    rows = hashed.rows(head.vocabulary, texts)
    return np.asarray(rows @ head.weights.astype(np.float32)) + head.bias
