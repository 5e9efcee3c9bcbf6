"""What the papers report, each as a number that can be measured on a recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from routenlp.bench.baselines.curves import Curves, Recording

GPT4, MIXTRAL = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
PAIR = ((GPT4, 24.5), (MIXTRAL, 1.0))
MMLU = Recording("routellm_gpt4_mixtral", task="mmlu", train=1_500, costs=PAIR)
GSM8K = Recording("routellm_gpt4_mixtral", task="gsm8k", train=650, costs=PAIR)
ULAB = Recording("ulab_llmrouter_9", prices=True)
MMLUPRO = Recording("mmlupro_calibration")
COT = Recording("mmlupro_cot_responses")
PLAUT = Recording("plaut_msp", prices=True)

ALIKE = 0.01
"""AIQ by which two systems may differ that are called equally good."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure is the published one if it lies in our interval; a bound holds if our whole interval is beyond it."""

    baseline: str
    published: str
    """In words, with its source."""
    recording: Recording
    systems: tuple[str, ...]
    """Baselines that `measure` looks at."""
    measure: Callable[[Curves], float]
    figure: float | None = None
    at_least: float | None = None


def _aiq_over(first: str, *others: str) -> Callable[[Curves], float]:
    """By how much the AIQ of `first` exceeds that of the best of the others."""
    return lambda found: found.aiq(first) - max(found.aiq(other) for other in others)


def _cheaper_at(ratio: float, first: str, *others: str) -> Callable[[Curves], float]:
    """By how much `first` costs less than the cheapest of the others, in shares of always-top."""
    return lambda found: min(found.cost_at(other, ratio) for other in others) - found.cost_at(first, ratio)


def _saved_at(ratio: float, name: str) -> Callable[[Curves], float]:
    return lambda found: 1.0 - found.cost_at(name, ratio)


def _calls_spared(name: str) -> Callable[[Curves], float]:
    """Share of queries that a router keeps from the top tier at the top tier's quality."""
    return lambda found: (1.0 - found.cost_at(name, 1.0)) / (1.0 - float(found.cost[0]))


def _order(baseline: str, published: str, recording: Recording, *others: str, margin: float = 0.0) -> Claim:
    measure = _aiq_over(baseline, *others)
    return Claim(baseline, published, recording, (baseline, *others), measure, at_least=-margin)


def _apgr(baseline: str, published: str, recording: Recording, figure: float) -> Claim:
    return Claim(baseline, published, recording, (baseline,), lambda found: found.apgr(baseline), figure=figure)


ROUTERS = ("hybrid_llm", "routellm_mf", "knn", "kmeans")
_RANDOM = "random routing has an APGR of 0.5 (RouteLLM, by definition)"
_MMLU = "APGR 0.597 on MMLU with 1,500 gold labels (RouteLLM, table of MMLU)"
_GSM8K = "APGR 0.565 on GSM8K (RouteLLM, table of GSM8K)"
_MF_OVER_RANDOM = "APGR over random routing's 0.5 (RouteLLM, every table)"
_SPARED = "up to 40% fewer calls to the large model without a drop in quality (Hybrid LLM, abstract)"
_BEATS_RANDOM = "AIQ over random routing's (Hybrid LLM, figures)"
_SAVES = "saves 59% to 98% at the best single model's quality (FrugalGPT, table of savings)"
_IBC = "AIQ over the line between cheapest and top (AutoMix, incremental benefit)"
_OVER_FRUGAL = "AIQ over FrugalGPT's (AutoMix, main table)"
_KNN = f"tuned kNN is as good as learned routers, AIQ within {ALIKE} (Li 2025; LLMRouterBench)"
_CLUSTERS = "clusters over FrugalGPT and Hybrid LLM, by AIQ (LLMRouterBench)"
_UNIFIED = "AIQ over threshold cascades' and routers' (Cascade routing, RouterBench table)"
_ROUTENLP = "cheaper than the other systems at a quality ratio of 0.97 (RouteNLP, main table)"
_ORACLE = "no router reaches the oracle, by AIQ (RouterBench)"

CLAIMS = (
    _apgr("random_mix", _RANDOM, MMLU, 0.5),
    _apgr("routellm_mf", _MMLU, MMLU, 0.597),
    _apgr("routellm_mf", _GSM8K, GSM8K, 0.565),
    Claim(
        "routellm_mf", _MF_OVER_RANDOM, MMLU, ("routellm_mf",), lambda found: found.apgr("routellm_mf"), at_least=0.5
    ),
    _order("hybrid_llm", _BEATS_RANDOM, MMLU, "random_mix"),
    Claim("hybrid_llm", _SPARED, ULAB, ("hybrid_llm",), _calls_spared("hybrid_llm"), at_least=0.40),
    _order("knn", _KNN, ULAB, "hybrid_llm", "routellm_mf", margin=ALIKE),
    _order("knn", _KNN, COT, "hybrid_llm", "routellm_mf", margin=ALIKE),
    _order("kmeans", _CLUSTERS, COT, "frugalgpt", "hybrid_llm"),
    _order("kmeans", _CLUSTERS, ULAB, "frugalgpt", "hybrid_llm"),
    Claim("frugalgpt", _SAVES, MMLUPRO, ("frugalgpt",), _saved_at(1.0, "frugalgpt"), at_least=0.59),
    Claim("frugalgpt", _SAVES, PLAUT, ("frugalgpt",), _saved_at(1.0, "frugalgpt"), at_least=0.59),
    _order("automix", _IBC, MMLUPRO, "random_mix"),
    _order("automix", _OVER_FRUGAL, MMLUPRO, "frugalgpt"),
    _order("automix", _OVER_FRUGAL, PLAUT, "frugalgpt"),
    _order("cascade_routing", _UNIFIED, MMLUPRO, "frugalgpt", *ROUTERS),
    _order("cascade_routing", _UNIFIED, PLAUT, "frugalgpt", *ROUTERS),
    Claim(
        "paper",
        _ROUTENLP,
        MMLUPRO,
        ("paper", "frugalgpt", "hybrid_llm", "routellm_mf", "automix"),
        _cheaper_at(0.97, "paper", "frugalgpt", "hybrid_llm", "routellm_mf", "automix"),
        at_least=0.0,
    ),
    _order("oracle", _ORACLE, MMLUPRO, "cascade_routing", "frugalgpt", *ROUTERS),
)
