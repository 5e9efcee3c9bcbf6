"""Builds objects from settings. Nothing else in the package reads settings to construct something."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from routenlp.backends.encoders.cache import CachedTokenEncoder
from routenlp.backends.encoders.minilm import MiniLM
from routenlp.backends.encoders.static import StaticEncoder
from routenlp.backends.recorded import RecordedBackend
from routenlp.backends.student import registry
from routenlp.backends.student.backend import StudentBackend
from routenlp.backends.weights import Hub, LocalFolder, PackagedWheel, Source, encoder_folder
from routenlp.cascade.policy import Policy
from routenlp.contracts import Backend
from routenlp.errors import SettingsError, UnknownPrice
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.settings import Settings, TierSettings
from routenlp.store import artefacts, policies
from routenlp.training.minilm_graph import GRAPH_VERSION, build_int8
from routenlp.types import Task

HUB = "https://huggingface.co"
POLICY, ROUTER_ENCODER, TIERS = "policy", "router-encoder", "tiers"
"""What lies in the folder of a trained system."""


@dataclass(frozen=True, slots=True)
class System:
    """Everything that answers queries: `replay.serve.serve(system.policy, system.backends, query)`."""

    policy: Policy
    backends: Mapping[str, Backend]
    """By tier."""


def portfolio(settings: Settings) -> Portfolio:
    """The tiers with their prices."""
    return Portfolio(tuple(_tier(tier) for tier in settings.portfolio))


def _tier(tier: TierSettings) -> Tier:
    if tier.price is None:
        raise UnknownPrice(f"portfolio.{tier.name}.price", "is not given", "An unknown price is never taken as 0.")
    price = Price(tier.price.input_usd_per_mtok, tier.price.output_usd_per_mtok)
    return Tier(tier.name, tier.backend, price, tier.model)


def tasks(settings: Settings) -> dict[str, Task]:
    """The tasks by name."""
    return {name: Task(name, task.metric, task.handled_at, task.sla_s) for name, task in settings.tasks.items()}


def cache_dir(settings: Settings) -> Path:
    """Where encodings, weights and downloads are kept."""
    return Path(settings.cache_dir).expanduser()


def minilm(settings: Settings, say: Callable[[str], None]) -> MiniLM:
    """The sentence encoder; its weights are fetched and its graph built on first use. `say` is told what begins."""
    folder = encoder_folder(
        cache_dir(settings), _sources(settings.encoder.weights), build=build_int8, version=GRAPH_VERSION, progress=say
    )
    return MiniLM.load(folder, threads=settings.encoder.threads)


def _sources(weights: str) -> list[Source]:
    if weights == "packaged":
        return [PackagedWheel(), Hub(HUB)]
    if weights == "hub":
        return [Hub(HUB)]
    if weights.startswith(("http://", "https://")):
        return [Hub(weights)]
    folder = Path(weights).expanduser()
    if not folder.is_dir():
        raise SettingsError(
            "encoder.weights", f"{weights!r} is no folder", "Write packaged, hub, a hub's address, or a folder."
        )
    return [LocalFolder(folder)]


def cached(encoder: MiniLM, settings: Settings) -> CachedTokenEncoder:
    """The same encoder with a memory on disk, for training; requests go to the bare one."""
    return CachedTokenEncoder(encoder, cache_dir(settings) / "encodings", max_bytes=4 << 30)


def build(
    settings: Settings,
    folder: Path,
    *,
    encoder: MiniLM,
    recordings: Mapping[str, Mapping[str, str]],
    clock: Callable[[], float] = time.perf_counter,
) -> System:
    """The trained system in `folder`. `recordings`: by `recorded` tier, its answers by query id.

    Raises `ArtefactError` for anything in the folder that was altered or belongs to other settings.
    """
    router_encoder = StaticEncoder.from_parts(artefacts.read(folder / ROUTER_ENCODER)["static"])
    policy = policies.load(folder / POLICY, router_encoder)
    encoders = [encoder.with_pooling(rich=rich) for rich in (False, True)]
    backends: dict[str, Backend] = {}
    for tier in portfolio(settings).tiers:
        if tier.backend == "recorded":
            backends[tier.name] = RecordedBackend(tier, recordings.get(tier.name, {}))
        else:
            parts = artefacts.read(folder / TIERS / tier.name)
            students = {task: registry.load(part, encoders) for task, part in parts.items()}
            backends[tier.name] = StudentBackend(tier, students, clock)
    return System(policy, backends)
