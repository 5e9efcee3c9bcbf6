"""Label students: a linear head, a kernel head, their mixture, and a calibrated probability of being right.

Tier `ngram` has the linear head, on hashed n-grams, and costs microseconds. Tier `minilm` adds a kernel head on
an encoder's vectors: its vectors alone are weaker than n-grams where the wording decides (contracts, terms of
service), and the mixture is stronger than either. Every row is computed on its own, so that a prediction
never depends on the batch it came in.

The one probability of a prediction is p(the label is right), fitted on rows that the heads did not see. It is
not the largest entry of the softmax: it also knows which labels are mistaken for their siblings, and whether
the heads agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.encoders.ngrams import NgramHasher, NgramVocabulary
from routenlp.contracts import Encoder
from routenlp.errors import ArtefactError
from routenlp.types import FloatArray, Parts, Prediction, Query, Vectors

_EDGE = 1e-6  # probabilities are kept this far from 0 and 1, so that their logits are finite


@dataclass(frozen=True, slots=True)
class NgramHead:
    """One linear score a label over n-grams. `weights`: float16 (v, labels); `bias`: float32 (labels,)."""

    vocabulary: NgramVocabulary
    weights: NDArray[np.float16]
    bias: Vectors

    def scores(self, text: str) -> Vectors:
        """float32 (labels,). The bias alone when no n-gram is known."""
        columns, values = self.vocabulary.row(text)
        scores: Vectors = values @ self.weights[columns].astype(np.float32) + self.bias
        return scores


@dataclass(frozen=True, slots=True)
class Projection:
    """Standardises an encoder's vector, turns it to its principal axes, and gives it length 1.

    `mean`, `scale`: float32 (dim,); `axes`: float32 (dim, k).
    """

    mean: Vectors
    scale: Vectors
    axes: Vectors

    def apply(self, vector: Vectors) -> Vectors:
        """float32 (k,), or (n, k) for n vectors. Zeros stay zeros."""
        turned = ((vector - self.mean) / self.scale) @ self.axes
        length = np.sqrt((turned * turned).sum(-1, keepdims=True))
        unit: Vectors = turned / np.maximum(length, np.float32(1e-12))
        return unit


@dataclass(frozen=True, slots=True)
class KernelHead:
    """Scores by nearness to training rows, the anchors, whose vectors are projected.

    `anchors`: float32 (n, k), rows of length 1; `duals`: float32 (n, labels); `mean`: float32 (labels,).
    Kernel: exp(2 gamma (<a, b> - 1)), the Gaussian one on the unit sphere.
    """

    projection: Projection
    anchors: Vectors
    duals: Vectors
    mean: Vectors
    gamma: float

    def scores(self, vector: Vectors) -> Vectors:
        """float32 (labels,)."""
        unit = self.projection.apply(vector)
        near = np.exp(np.float32(2.0 * self.gamma) * (self.anchors @ unit - np.float32(1.0)))
        scores: Vectors = near @ self.duals + self.mean
        return scores


@dataclass(frozen=True, slots=True)
class Mixture:
    """From the heads' scores to a label and the probability that it is right.

    `weights`: float64 (heads,), log-linear. `trust`: float64 (2 + heads,), the coefficients of `evidence`;
    `label_trust`: float64 (labels,), how much likelier than others a label is to be right when predicted.
    """

    weights: FloatArray
    trust: FloatArray
    label_trust: FloatArray

    def decide(self, scores: FloatArray) -> tuple[int, float]:
        """Index of the label and p(right), from scores of shape (heads, labels)."""
        chosen, evidence = self.evidence(scores[None])
        logit = evidence[0] @ self.trust + self.label_trust[chosen[0]]
        return int(chosen[0]), float(1.0 / (1.0 + np.exp(-logit)))

    def evidence(self, scores: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Labels chosen, (n,), and what speaks for each, (n, 2 + heads), from scores of (n, heads, labels).

        Columns: 1; logit of the mixture's probability; each head's lead of the chosen label over its best rival.
        """
        rows = np.arange(len(scores))
        mixed = np.exp(log_softmax(np.einsum("nhl,h->nl", scores, self.weights)))
        chosen = mixed.argmax(1)
        p = np.clip(mixed[rows, chosen], _EDGE, 1.0 - _EDGE)
        rivals = scores.copy()
        rivals[rows, :, chosen] = -np.inf
        leads = scores[rows, :, chosen] - rivals.max(2)
        return chosen, np.column_stack([np.ones(len(rows)), np.log(p / (1.0 - p)), leads])


def log_softmax(scores: FloatArray) -> FloatArray:
    """Log-probabilities over the last axis."""
    shifted = scores - scores.max(-1, keepdims=True)
    out: FloatArray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return out


@dataclass(frozen=True, slots=True)
class Classifier:
    """A `contracts.Student` that answers with one of `labels`; never with a label that training did not have.

    A blank text gets the most frequent label of the training rows, with its share there (`prior`) as probability.
    """

    KIND: ClassVar[str] = "classifier/1"

    labels: tuple[str, ...]
    prior: FloatArray
    ngrams: NgramHead
    mixture: Mixture
    kernel: KernelHead | None = None
    encoder: Encoder | None = None

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One label and p(right) a query, in order. Metadata is ignored."""
        texts = [query.text for query in queries]
        if self.kernel is None or self.encoder is None or not texts:
            return [self._answer(text, None) for text in texts]
        encoded = self.encoder.encode(texts)
        return [self._answer(text, vector) for text, vector in zip(texts, encoded, strict=True)]

    def scores(self, text: str, vector: Vectors | None) -> FloatArray:
        """Every head's scores, float64 (heads, labels)."""
        heads = [self.ngrams.scores(text)]
        if self.kernel is not None and vector is not None:
            heads.append(self.kernel.scores(vector))
        return np.stack(heads).astype(np.float64)

    def _answer(self, text: str, vector: Vectors | None) -> Prediction:
        if not text.strip():
            commonest = int(self.prior.argmax())
            return Prediction(self.labels[commonest], (float(self.prior[commonest]),))
        label, p = self.mixture.decide(self.scores(text, vector))
        return Prediction(self.labels[label], (p,))

    def parts(self) -> Parts:
        """Arrays and settings; the encoder is stored by name only."""
        hasher = self.ngrams.vocabulary.hasher
        arrays: dict[str, NDArray[np.generic]] = {
            "prior": self.prior,
            "ngrams.known": self.ngrams.vocabulary.known,
            "ngrams.idf": self.ngrams.vocabulary.idf,
            "ngrams.weights": self.ngrams.weights,
            "ngrams.bias": self.ngrams.bias,
            "mixture.weights": self.mixture.weights,
            "mixture.trust": self.mixture.trust,
            "mixture.label_trust": self.mixture.label_trust,
        }
        meta: dict[str, object] = {
            "labels": list(self.labels),
            "words": list(hasher.words),
            "chars": list(hasher.chars),
            "max_chars": hasher.max_chars,
        }
        if self.kernel is not None and self.encoder is not None:
            arrays |= _kernel_arrays(self.kernel)
            meta |= {"gamma": self.kernel.gamma, "encoder": self.encoder.name}
        return Parts(self.KIND, arrays, meta)

    @classmethod
    def from_parts(cls, parts: Parts, encoder: Encoder | None = None) -> Classifier:
        """The student that `parts()` took apart. ArtefactError if anything is missing or the encoder is another."""
        if parts.kind != cls.KIND:
            raise ArtefactError(parts.kind, f"is not {cls.KIND!r}", "Load it with the student of its own kind.")
        try:
            return _assemble(parts.arrays, parts.meta, encoder)
        except (KeyError, TypeError, ValueError) as exc:
            raise ArtefactError(cls.KIND, f"cannot be read ({exc!r})", "Train this student again.") from exc


def _kernel_arrays(head: KernelHead) -> dict[str, NDArray[np.generic]]:
    return {
        "projection.mean": head.projection.mean,
        "projection.scale": head.projection.scale,
        "projection.axes": head.projection.axes,
        "kernel.anchors": head.anchors.astype(np.float16),  # exact: rounded to it when they were fitted
        "kernel.duals": head.duals,
        "kernel.mean": head.mean,
    }


def _assemble(
    arrays: Mapping[str, NDArray[np.generic]], meta: Mapping[str, object], encoder: Encoder | None
) -> Classifier:
    def f32(name: str) -> Vectors:
        return arrays[name].astype(np.float32)

    def f64(name: str) -> FloatArray:
        return arrays[name].astype(np.float64)

    hasher = NgramHasher(_integers(meta["words"]), _integers(meta["chars"]), _integers([meta["max_chars"]])[0])
    vocabulary = NgramVocabulary(hasher, arrays["ngrams.known"].astype(np.uint32), f32("ngrams.idf"))
    ngrams = NgramHead(vocabulary, arrays["ngrams.weights"].astype(np.float16), f32("ngrams.bias"))
    mixture = Mixture(f64("mixture.weights"), f64("mixture.trust"), f64("mixture.label_trust"))
    labels = meta["labels"]
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise TypeError("labels must be a list of strings")
    if "encoder" not in meta:
        return Classifier(tuple(labels), f64("prior"), ngrams, mixture)
    projection = Projection(f32("projection.mean"), f32("projection.scale"), f32("projection.axes"))
    gamma = float(str(meta["gamma"]))
    kernel = KernelHead(projection, f32("kernel.anchors"), f32("kernel.duals"), f32("kernel.mean"), gamma)
    return Classifier(tuple(labels), f64("prior"), ngrams, mixture, kernel, _same_encoder(meta, encoder))


def _same_encoder(meta: Mapping[str, object], encoder: Encoder | None) -> Encoder:
    wanted = meta["encoder"]
    if encoder is None or encoder.name != wanted:
        given = "none was given" if encoder is None else f"{encoder.name!r} was given"
        raise ArtefactError(
            Classifier.KIND, f"was trained on the encoder {wanted!r} but {given}", "Pass that encoder, or train again."
        )
    return encoder


def _integers(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(isinstance(value, int) for value in values):
        raise TypeError(f"{values!r} must be a list of integers")
    return tuple(values)
