"""Simulated traffic under two policies, with known truth: one student and a top tier, in clusters of unequal size.

A query of cluster c is easy for a student by `skill_c + z`, z in part common to all students; the student is right
where that is over 0, and its score sees it through noise. Both policies accept answers under a threshold and else ask
the top tier, at ten times the price. What the candidate's student has become is its `Kind`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from routenlp.loop.compared import Compared
from routenlp.types import FloatArray

CLUSTERS = 12
STUDENT_USD, TOP_USD = 0.1, 1.0
TOP_RIGHT = 0.97
COMMON = 0.85
"""Share of the variance of z that two students fitted to about the same rows have in common."""
RATIO = 0.97
"""The quality ratio that thresholds are set for."""
POPULATION = 40_000
SHUFFLED_RIGHT = 0.02
"""How often a student is right whose labels were shuffled."""


class Kind(StrEnum):
    """What the candidate is."""

    NEUTRAL = "neutral"
    """Fitted again, and neither better nor worse; the same threshold, so that it truly saves nothing."""
    BETTER = "better"
    """Saves five points of always-top's bill at the same quality."""
    SHUFFLED_SURE = "harmful, sure of itself"
    """Labels shuffled in one cluster, and as sure of its answers there as before."""
    SHUFFLED_UNSURE = "harmful, unsure"
    """The same, and its scores there say nothing."""
    SHUFFLED_MASKED = "harmful, better elsewhere"
    """As sure as before in the cluster, and so much better elsewhere that it saves the five points all the same."""


HARMFUL = (Kind.SHUFFLED_SURE, Kind.SHUFFLED_UNSURE, Kind.SHUFFLED_MASKED)
GAIN = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """One task's traffic, and the policy in force."""

    shares: FloatArray
    """Of the clusters, shape (CLUSTERS,), the largest first."""
    skill: FloatArray
    threshold: float
    """Of the policy in force."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A policy to be judged."""

    kind: Kind
    skill: FloatArray
    threshold: float
    harmed: int | None
    """The cluster whose labels were shuffled."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Over a large population."""

    lost: float
    """Mean quality lost by promoting."""
    gain: float
    """Of always-top's bill."""


def make_world(seed: int) -> World:
    """A world; its threshold gives the quality ratio `RATIO` over the population."""
    rng = np.random.default_rng([seed, 1])
    shares = rng.dirichlet(np.full(CLUSTERS, 2.0))
    shares = np.sort(shares)[::-1]
    skill = rng.normal(0.9, 0.5, CLUSTERS)
    return World(shares, skill, _threshold(shares, skill))


def harmed_cluster(world: World, share: float) -> int:
    """The cluster whose share of the traffic is nearest to `share`."""
    return int(np.abs(world.shares - share).argmin())


def make_candidate(world: World, kind: Kind, harmed: int | None) -> Candidate:
    """`harmed`: for harmful kinds."""
    if kind is Kind.NEUTRAL:
        return Candidate(kind, world.skill, world.threshold, None)
    if kind in (Kind.BETTER, Kind.SHUFFLED_MASKED):
        better = world.skill + _improvement(world)
        return Candidate(kind, better, _threshold(world.shares, better), harmed if kind in HARMFUL else None)
    return Candidate(kind, world.skill, world.threshold, harmed)


def draw(world: World, candidate: Candidate, n: int, rng: np.random.Generator, *, name: str) -> Compared:
    """n queries under both policies; `name` begins their ids."""
    cluster = rng.choice(CLUSTERS, size=n, p=world.shares)
    common = rng.normal(size=n)
    top = (rng.random(n) < TOP_RIGHT).astype(np.float64)
    now = _student(world.skill[cluster], common, rng)
    new = _student(candidate.skill[cluster], common, rng)
    if candidate.harmed is not None:
        new = _shuffled(new, cluster == candidate.harmed, candidate.kind, rng)
    current, current_usd, _ = _served(*now, world.threshold, top)
    quality, usd, cheap = _served(*new, candidate.threshold, top)
    ids = tuple(f"{name}-{i}" for i in range(n))
    return Compared("simulated", ids, ids, current, quality, top, current_usd, usd, np.full(n, TOP_USD), cheap, cluster)


def truth(world: World, candidate: Candidate) -> Truth:
    """By a population of its own."""
    rows = draw(world, candidate, POPULATION, np.random.default_rng(0), name="truth")
    return Truth(float(rows.lost.mean()), float((rows.current_usd - rows.candidate_usd).mean() / TOP_USD))


Student = tuple[NDArray[np.bool_], FloatArray]
"""Whether right, and the score, row by row."""


def _student(skill: FloatArray, common: FloatArray, rng: np.random.Generator) -> Student:
    z = np.sqrt(COMMON) * common + np.sqrt(1.0 - COMMON) * rng.normal(size=len(common))
    ease = skill + z
    seen = ease + 0.6 * rng.normal(size=len(common))
    return ease > 0.0, 1.0 / (1.0 + np.exp(2.0 * seen))


def _shuffled(student: Student, harmed: NDArray[np.bool_], kind: Kind, rng: np.random.Generator) -> Student:
    right, score = student
    right = np.where(harmed, rng.random(len(right)) < SHUFFLED_RIGHT, right)
    if kind is Kind.SHUFFLED_UNSURE:
        score = np.where(harmed, rng.random(len(score)), score)
    return right, score


def _served(
    right: NDArray[np.bool_], score: FloatArray, threshold: float, top: FloatArray
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    cheap = score <= threshold
    return np.where(cheap, right, top), np.where(cheap, STUDENT_USD, STUDENT_USD + TOP_USD), cheap


def _threshold(shares: FloatArray, skill: FloatArray) -> float:
    """The boldest that keeps `RATIO` over a population."""
    rng = np.random.default_rng(2)
    cluster = rng.choice(CLUSTERS, size=POPULATION, p=shares)
    right, score = _student(skill[cluster], rng.normal(size=POPULATION), rng)
    order = np.argsort(score)
    gained = np.cumsum(right[order] - TOP_RIGHT) / POPULATION
    fine = np.flatnonzero(TOP_RIGHT + gained >= RATIO * TOP_RIGHT)
    return float(score[order][fine[-1]])


def _improvement(world: World) -> float:
    """How much more skill saves `GAIN` at the threshold that goes with it; by bisection."""
    low, high = 0.0, 2.0
    for _ in range(12):
        middle = (low + high) / 2.0
        skill = world.skill + middle
        better = Candidate(Kind.BETTER, skill, _threshold(world.shares, skill), None)
        low, high = (middle, high) if truth(world, better).gain < GAIN else (low, middle)
    return high
