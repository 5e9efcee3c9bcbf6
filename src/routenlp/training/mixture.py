"""Fits `Mixture`: how much each head says, and when the label chosen is to be trusted."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from routenlp.backends.student.classifier import Mixture, log_softmax
from routenlp.training.linear_fit import Codes
from routenlp.types import FloatArray, Vectors

_LABEL_DECAY = 10.0
_TRUST_DECAY = 0.01


def fit_mixture(held_out: Vectors, codes: Codes) -> Mixture:
    """From `held_out`, scores (n, heads, labels) on rows that the heads did not see, and the rows' labels (n,).

    Weights, all positive, minimise the log-loss of the mixed scores. Trust is a ridge logistic regression of
    "the chosen label is right" on `Mixture.evidence` and on which label was chosen.
    """
    scores: FloatArray = held_out.astype(np.float64)
    heads, labels = scores.shape[1:]
    weights = _fit_weights(scores, codes)
    blank = Mixture(weights, np.zeros(2 + heads), np.zeros(labels))
    chosen, evidence = blank.evidence(scores)
    trust, label_trust = _fit_trust(evidence, chosen, chosen == codes, labels)
    return Mixture(weights, trust, label_trust)


def _fit_weights(scores: FloatArray, codes: Codes) -> FloatArray:
    rows = np.arange(len(codes))

    def loss(log_weights: FloatArray) -> tuple[float, FloatArray]:
        weights = np.exp(log_weights)
        logs = log_softmax(np.einsum("nhl,h->nl", scores, weights))
        wrong = np.exp(logs)
        wrong[rows, codes] -= 1.0
        gradient = np.einsum("nhl,nl->h", scores, wrong) / len(rows) * weights
        return -float(logs[rows, codes].mean()), gradient

    bounds = [(-5.0, 4.0)] * scores.shape[1]
    best = minimize(loss, np.ones(scores.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds)
    weights: FloatArray = np.exp(best.x)
    return weights


def _fit_trust(evidence: FloatArray, chosen: Codes, right: FloatArray, labels: int) -> tuple[FloatArray, FloatArray]:
    width = evidence.shape[1]
    start = np.zeros(width + labels)
    start[1] = 1.0  # believe the mixture, until the rows say otherwise

    def loss(beta: FloatArray) -> tuple[float, FloatArray]:
        logits = evidence @ beta[:width] + beta[width + chosen]
        value = np.logaddexp(0.0, np.where(right, -logits, logits)).sum()
        off = 1.0 / (1.0 + np.exp(-logits)) - right
        pull = np.concatenate([_TRUST_DECAY * (beta - start)[:width], _LABEL_DECAY * beta[width:]])
        value += 0.5 * float(pull @ (beta - start))
        return float(value), np.concatenate([evidence.T @ off, np.bincount(chosen, off, labels)]) + pull

    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return best[:width], best[width:]
