"""Builds objects from settings. Nothing else in the package reads settings to construct something."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec

from routenlp.backends.encoders.cache import CachedEncoder, CachedTokenEncoder
from routenlp.backends.encoders.hashed import HashedEncoder
from routenlp.backends.encoders.last_texts import LastTexts
from routenlp.backends.encoders.middle import MiddleLayer
from routenlp.backends.encoders.minilm import MiniLM
from routenlp.backends.encoders.static import StaticEncoder
from routenlp.backends.local import weights as local_weights
from routenlp.backends.remote.listed_prices import listed_price
from routenlp.backends.student import registry
from routenlp.backends.student.backend import StudentBackend
from routenlp.backends.weights import Hub, LocalFolder, PackagedWheel, Source, encoder_folder
from routenlp.cascade.committing import Committing
from routenlp.cascade.policy import Policy, fingerprint
from routenlp.conformal.verdict import Status
from routenlp.contracts import Backend, Encoder, Student
from routenlp.errors import SettingsError, UnknownPrice
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.replay import stored_router, stored_tasks
from routenlp.replay.backtest.certify import Target
from routenlp.replay.stored_tasks import StoredTasks
from routenlp.replay.text_readers import SentenceEncoders
from routenlp.replay.wanted import Wanted, WantedOfTasks
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.settings import Settings, TaskSettings, TierSettings
from routenlp.store import artefacts, policies
from routenlp.store.in_force import NOTHING, InForce, in_force
from routenlp.store.sql.database import locate
from routenlp.training.minilm_graph import GRAPH_VERSION, build_int8
from routenlp.types import Parts, Task

HUB = "https://huggingface.co"
DEFAULT_TASK = "default"
UNGRADED = "none"
"""Metric of a task that the settings do not define."""
POLICY, ROUTER_ENCODER, TIERS, LADDER = "policy", "router-encoder", "tiers", "ladder"
"""What lies in the folder of a trained system."""
ROWS, HELD_OUT = "rows", "held-out"
"""What a turn needs beside: the rows of its folds, and what students that had not seen a row said of it, by tier."""


@dataclass(frozen=True, slots=True)
class System:
    """Everything that answers queries: `replay.serve.serve(system.policy, system.backends, query)`."""

    policy: Policy
    backends: Mapping[str, Backend]
    """By tier."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A policy, and how good the proof is that it may serve."""

    policy: Policy
    statuses: Mapping[str, Status]
    """By task that it can route."""
    students: Mapping[str, Mapping[str, Parts]]
    """By tier that runs in this process, then task; empty where the folder has none."""
    encoder: Encoder | None = None
    """The router's; the task classifier takes it too where it was trained on the same one."""


def portfolio(settings: Settings) -> Portfolio:
    """The tiers with their prices."""
    return Portfolio(tuple(_tier(tier, cache_dir(settings)) for tier in settings.portfolio))


def _tier(tier: TierSettings, cache: Path) -> Tier:
    """A local model is named with its weights' hash: certificates and audits of other weights are none of its."""
    local = tier.backend == "local" and tier.weights is not None
    model = local_weights.version_of(tier.model or tier.name, tier.weights or "", cache) if local else tier.model
    return Tier(tier.name, tier.backend, _price(tier), model)


def _price(tier: TierSettings) -> Price:
    if tier.price is not None:
        return Price(**msgspec.structs.asdict(tier.price))
    if tier.model is None or not tier.base_url:
        raise UnknownPrice(f"portfolio.{tier.name}.price", "is not given", "An unknown price is never taken as 0.")
    return listed_price(tier.name, tier.model, base_urls(tier)[0])


def base_urls(tier: TierSettings) -> tuple[str, ...]:
    """Where the tier's endpoints lie; none for a tier that runs in this process."""
    if tier.base_url is None:
        return ()
    return (tier.base_url,) if isinstance(tier.base_url, str) else tier.base_url


def policies_in_force(settings: Settings) -> InForce:
    """What the store says: `NOTHING` without a store or a version. Raises `StoreError`."""
    return in_force(locate(settings.store.url)) if settings.store is not None else NOTHING


def serving_policy(settings: Settings, version: Path | None = None) -> Serving | None:
    """What decides: `version`, else the store's active policy, else the folder that the settings name; None without.

    The folder holds either a policy with its encoder, or what `routenlp train` wrote. Raises `ArtefactError` for a
    folder that was altered, and `SettingsError` for one that was made for other tiers.
    """
    named = settings.policy.folder
    folder = version or policies_in_force(settings).active or (Path(named).expanduser() if named is not None else None)
    if folder is None:
        return None
    serving = _stored(settings, folder) if (folder / POLICY).is_dir() else _as_trained(settings, folder)
    names, trained = portfolio(settings).names, serving.policy.portfolio.names
    if names != trained:
        raise SettingsError(
            "policy.folder",
            f"{str(folder)!r} was made for tiers {', '.join(trained)}, and the portfolio is {', '.join(names)}",
            "Name and order the tiers as they were when it was trained, or train it again.",
        )
    return serving


def _stored(settings: Settings, folder: Path) -> Serving:
    """The policy with the tiers, students, prices and tasks in force: where they differ, its certificates are void."""
    encoder = _shared(settings, router_encoder(folder / ROUTER_ENCODER))
    policy = policies.load(folder / POLICY, encoder)
    in_force = portfolio(settings)
    students = _stored_students(in_force, folder / TIERS)
    if in_force.names == policy.portfolio.names:
        known = tasks(settings)
        defined = {name: known.get(name, task) for name, task in policy.tasks.items()}
        models = {tier: {task: fingerprint(parts) for task, parts in its.items()} for tier, its in students.items()}
        policy = replace(policy, portfolio=in_force, tasks=defined, models={**policy.models, **models})
    statuses = {
        task: Status.UNCERTIFIED if _walled(settings, policy, task) else policy.status(task) for task in policy.tasks
    }
    return Serving(policy, statuses, students, encoder)


def _stored_students(in_force: Portfolio, folder: Path) -> dict[str, dict[str, Parts]]:
    names = [tier.name for tier in in_force.tiers if tier.backend == "student"]
    return {name: artefacts.read(folder / name) for name in names if (folder / name).is_dir()}


def load_students(settings: Settings, stored: Mapping[str, Mapping[str, Parts]]) -> dict[str, dict[str, Student]]:
    """The students in working order, by tier and task. The sentence encoder is loaded only where one asks for it."""
    needed = any(part.meta.get("encoder") for parts in stored.values() for part in parts.values())
    encoder = minilm(settings, lambda _: None) if needed else None
    encoders = [encoder.with_pooling(rich=rich) for rich in (False, True)] if encoder is not None else []
    return {
        tier: {task: registry.load(part, encoders) for task, part in parts.items()} for tier, parts in stored.items()
    }


def _shared(settings: Settings, encoder: Encoder) -> Encoder:
    """With a memory for the last texts where two read them: the task classifier, then the router."""
    return LastTexts(encoder) if settings.task_classifier is not None else encoder


def task_classifier(settings: Settings, serving: Serving | None) -> StoredTasks | None:
    """What names the task of queries without one; None where the settings name no folder.

    Raises `ArtefactError` for a folder that was altered.
    """
    if settings.task_classifier is None:
        return None
    stored = stored_tasks.load(Path(settings.task_classifier.folder).expanduser())
    shared = serving.encoder if serving is not None else None
    if isinstance(shared, LastTexts) and shared.name == stored.encoder.name:
        return StoredTasks(shared.first, stored.classifier)
    return stored


def encoder_of_router(folder: Path) -> Encoder:
    """The encoder of a router or policy in `folder`."""
    return router_encoder(folder / ROUTER_ENCODER) if (folder / POLICY).is_dir() else stored_router.load(folder).encoder


def router_encoder(folder: Path) -> Encoder:
    """A router's, from the folder of its own; raises `ArtefactError` for one that was altered."""
    parts = artefacts.read(folder)
    if "hashed" in parts:
        return HashedEncoder.from_parts(parts["hashed"])
    return StaticEncoder.from_parts(parts["static"])


def _as_trained(settings: Settings, folder: Path) -> Serving:
    """The settings' tiers and tasks around a trained router, each task with the status that its training proved."""
    stored = stored_router.load(folder, lambda: minilm(settings, lambda _: None), wrap=partial(_shared, settings))
    tiers = {tier.name: tier for tier in portfolio(settings).tiers}
    missing = [name for name in stored.stop_rule.tiers if name not in tiers]
    if missing:
        raise SettingsError(
            "policy.folder", f"{str(folder)!r} routes to {missing[0]!r}", f"The portfolio has {', '.join(tiers)}."
        )
    in_order = Portfolio(tuple(tiers[name] for name in stored.stop_rule.tiers))
    priced = stored.at_prices([tier.price for tier in in_order.tiers])
    every = trained_tasks(settings, stored.stop_rule.tasks)
    rule = Committing(priced.stop_rule, in_order.names, stored.commits) if stored.commits else priced.stop_rule
    policy = Policy(in_order, every, priced.router, TokenUncertainty(), rule, certificates=stored.certificates)
    statuses = {task: _status(settings, policy, task) for task in every}
    return Serving(policy, statuses, {}, priced.encoder)


def trained_tasks(settings: Settings, names: Iterable[str]) -> dict[str, Task]:
    """The tasks that a router was trained on, as the settings grade them; those they do not name are ungraded."""
    known = tasks(settings)
    return {name: known.get(name) or Task(name, UNGRADED, 1.0, 1.0) for name in names}


def _status(settings: Settings, policy: Policy, task: str) -> Status:
    """UNCERTIFIED where the settings ask for more than was proved, or wall off a tier that it was proved with."""
    certificate, given = policy.certificates.get(task), settings.tasks.get(task)
    if certificate is None or given is None:
        return policy.status(task)
    target = _wanted(given).target
    level = target.eps if target.walked == "quality_ratio" else target.alpha
    delta = target.delta if settings.family_delta is None else settings.family_delta
    less = certificate.rule != target.walked or certificate.target > level or certificate.delta > delta * (1.0 + 1e-9)
    return Status.UNCERTIFIED if less or _walled(settings, policy, task) else policy.status(task)


def _walled(settings: Settings, policy: Policy, task: str) -> bool:
    """Whether the settings wall off a tier that the policy was proved with."""
    return not set(policy.tiers_of(task)) <= set(settings.tiers_of(task))


def wanted(settings: Settings, default: Wanted) -> WantedOfTasks:
    """What the settings ask of each task; of one that they do not name, what they ask of `default`, else `default`."""
    of_task = {name: _wanted(task) for name, task in settings.tasks.items()}
    return WantedOfTasks(of_task.get(DEFAULT_TASK, default), of_task, settings.family_delta)


def _wanted(task: TaskSettings) -> Wanted:
    target = Target(task.guarantee, task.eps, task.alpha, task.delta, task.handled_at)
    return Wanted(target, Status(task.serve_when), None if task.sla_ms is None else task.sla_ms / 1000.0)


def sentences(settings: Settings, say: Callable[[str], None], advance: Callable[[int, int], None]) -> SentenceEncoders:
    """The sentence encoder, as training reads with it; its weights are fetched on first use.

    `advance` is told how many texts were read, of how many.
    """
    bare = minilm(settings, say)
    middle = MiddleLayer(bare)
    folder = cache_dir(settings) / "encodings"
    remembered = CachedEncoder(middle, folder, max_bytes=4 << 30, progress=advance)
    return SentenceEncoders(cached(bare, settings), remembered, middle)


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


def gguf(settings: Settings, weights: str, say: Callable[[str], None]) -> Path:
    """The file of a local tier's weights; fetched on first use. `say` is told what begins."""
    return local_weights.gguf(weights, cache_dir(settings), say, hub_url=HUB)


def fetch_weights(settings: Settings, say: Callable[[str], None]) -> None:
    """Those of every local tier, so that `portfolio` knows what they are. Raises `MissingData`, `CorruptData`."""
    for tier in settings.portfolio:
        if tier.backend == "local" and tier.weights is not None:
            gguf(settings, tier.weights, say)


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
    recorded: Mapping[str, Backend],
    clock: Callable[[], float] = time.perf_counter,
) -> System:
    """The trained system in `folder`. `recorded`: the backends of the tiers that are replayed.

    Raises `ArtefactError` for anything in the folder that was altered or belongs to other settings.
    """
    router_encoder = StaticEncoder.from_parts(artefacts.read(folder / ROUTER_ENCODER)["static"])
    policy = policies.load(folder / POLICY, router_encoder)
    encoders = [encoder.with_pooling(rich=rich) for rich in (False, True)]
    backends: dict[str, Backend] = {}
    for tier in portfolio(settings).tiers:
        if tier.backend == "recorded":
            backends[tier.name] = recorded[tier.name]
        else:
            parts = artefacts.read(folder / TIERS / tier.name)
            students = {task: registry.load(part, encoders) for task, part in parts.items()}
            backends[tier.name] = StudentBackend(tier, students, clock)
    return System(policy, backends)
