"""Simulated streams whose truth is known: a population of answers, token by token, of a cheap and a top tier."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from routenlp.replay.streaming.rows import NEVER, Streams, check_streams
from routenlp.types import FloatArray

POPULATION = 20_000
TRAINING = 2_000
CHEAP_USD, TOP_USD = 0.80e-3, 8.00e-3
"""A token of each tier, the paper's T3 and T4."""
TOP_MEDIAN_S, TOP_P99_S = 0.800, 1.847
"""Of the top tier's log-normal latency: the paper's p99."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a world is like."""

    name: str
    fails: float = 0.25
    """Share of the cheap tier's answers that fail."""
    top_fails: float = 0.10
    shared: float = 0.5
    """Share of a failure's latent variance that both tiers have in common."""
    apart: float = 1.5
    """By how much more uncertain the tokens of a failed answer are, as a logit."""
    row_noise: float = 0.5
    """Standard deviation of that logit from answer to answer."""
    token_noise: float = 1.5
    """And from token to token: what hides an answer's quality in its first tokens."""
    mean_tokens: float = 80.0
    longest: int = 240
    sentence_tokens: float = 18.0
    prefill_s: float = 0.15
    token_s: float = 1.0 / 60.0
    graded: bool = False
    """Whether qualities are anything in [0, 1], else 0 or 1."""
    group_rows: int = 1
    """Queries of a group, which share half of what tiers have in common."""


SPECS = (
    Spec("simulated labels"),
    Spec("simulated texts", fails=0.35, graded=True, mean_tokens=120.0),
    Spec("simulated, prefixes say nothing", apart=0.0, row_noise=0.0),
)
"""The last is there for the promise: streams may be of no use, and the target must be met all the same."""


def world(spec: Spec, *, seed: int, population: int = POPULATION, training: int = TRAINING) -> tuple[Streams, Streams]:
    """Training rows, and the population that calibrations are drawn from. The same arguments give the same world."""
    rng = np.random.default_rng(seed)
    return draw(spec, training, rng), draw(spec, population, rng)


def draw(spec: Spec, n: int, rng: np.random.Generator) -> Streams:
    """n queries: a tier fails where a latent difficulty, in part common to both, is over its level."""
    common, own = rng.standard_normal(n), rng.standard_normal((2, n))
    groups = np.arange(n) // spec.group_rows
    if spec.group_rows > 1:
        common = np.sqrt(0.5) * (common + rng.standard_normal(n)[groups])
    difficulty = np.sqrt(spec.shared) * common + np.sqrt(1.0 - spec.shared) * own
    levels = [NormalDist().inv_cdf(1.0 - rate) for rate in (spec.fails, spec.top_fails)]
    failed = difficulty > np.array(levels)[:, None]
    quality = np.where(failed, 0.0, 1.0)
    if spec.graded:
        quality = np.where(failed, 0.4 * rng.random((2, n)), 0.6 + 0.4 * rng.random((2, n)))
    tokens = np.clip(rng.gamma(2.0, spec.mean_tokens / 2.0, n), 2, spec.longest).astype(np.int64)
    sentence = 4 + rng.geometric(1.0 / spec.sentence_tokens, n)
    input_tokens, top_tokens = rng.integers(20, 300, n), rng.gamma(2.0, spec.mean_tokens / 2.0, n)
    return check_streams(
        Streams(
            running=_running(spec, failed[0], tokens, rng),
            tokens=tokens,
            sentence=np.where(sentence <= tokens, sentence, NEVER),
            quality=quality[0],
            top_quality=quality[1],
            input_usd=np.asarray(CHEAP_USD * input_tokens, dtype=np.float64),
            token_usd=CHEAP_USD,
            output_tokens=tokens + 1,
            top_usd=np.asarray(TOP_USD * (input_tokens + np.maximum(top_tokens, 2.0)), dtype=np.float64),
            prefill_s=np.full(n, spec.prefill_s),
            token_s=spec.token_s,
            top_first_s=top_latency_s(n, rng),
            groups=groups,
        )
    )


def top_latency_s(n: int, rng: np.random.Generator) -> FloatArray:
    """The top tier's, log-normal: its answers are taken to come whole, as those that are the best of several do."""
    sigma = np.log(TOP_P99_S / TOP_MEDIAN_S) / NormalDist().inv_cdf(0.99)
    return np.asarray(rng.lognormal(np.log(TOP_MEDIAN_S), sigma, n))


def _running(spec: Spec, failed: np.ndarray, tokens: np.ndarray, rng: np.random.Generator) -> FloatArray:
    """Mean uncertainty of the first 1, 2, ... tokens."""
    n = len(tokens)
    centre = -2.0 + spec.apart * failed + spec.row_noise * rng.standard_normal(n)
    logits = centre[:, None] + spec.token_noise * rng.standard_normal((n, int(tokens.max())))
    counts = np.arange(1, logits.shape[1] + 1)
    running = np.cumsum(1.0 / (1.0 + np.exp(-logits)), axis=1) / counts
    running[counts > tokens[:, None]] = np.nan
    return np.asarray(running)
