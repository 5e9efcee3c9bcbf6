"""One frozen tree of settings, from YAML, with overrides from the environment.

`ROUTENLP_SECTION__KEY=value` overrides `section: {key: value}`; items of a list are named by their number
(`ROUTENLP_PORTFOLIO__0__PRICE__INPUT_USD_PER_MTOK=5`); values are read as YAML. Unknown keys are errors, in the
file and in the environment alike. The environment comes in as an argument; importing this module reads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from routenlp.errors import SettingsError, UnknownPrice

PREFIX = "ROUTENLP_"
NOT_SETTINGS = frozenset({"ROUTENLP_DATA", "ROUTENLP_REQUIRE_DATA", "ROUTENLP_ADMIN_KEY", "ROUTENLP_API_KEY"})
"""Variables that begin alike and are something else: where data lies, that tests must have it, and secrets."""

REMOTE = frozenset({"openai", "anthropic"})
"""Backends over HTTP: they need an address, and the price of a well-known model is on a list."""

NonNegative = Annotated[float, msgspec.Meta(ge=0.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class _Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class PriceSettings(_Frozen, frozen=True):
    """USD per million tokens."""

    input_usd_per_mtok: NonNegative
    output_usd_per_mtok: NonNegative
    cache_read_usd_per_mtok: NonNegative | None = None
    """Of input that the provider's prompt cache gave. None: as dear as fresh input."""
    cache_write_usd_per_mtok: NonNegative | None = None
    """Of input that it took for minutes; None: twice as dear as fresh input."""
    cache_write_1h_usd_per_mtok: NonNegative | None = None


class TierSettings(_Frozen, frozen=True):
    """One tier. A price that is neither given nor listed is an error, never 0."""

    name: Name
    backend: Literal["student", "recorded", "openai", "anthropic", "local"]
    model: str | None = None
    price: PriceSettings | None = None
    base_url: str | tuple[str, ...] | None = None
    """Backends over HTTP: where the API lies, with its /v1; several are shared out by how busy they are."""
    api_key_env: str | None = None
    """Name of the variable that holds the endpoint's key. Keys themselves never stand in settings."""
    logprobs: Literal["auto", "always", "never"] = "auto"
    """Whether cheap answers are asked for with log-probabilities; auto: until the endpoint refuses them."""
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 16_384
    """Backend `anthropic`: of an answer where the client sets no bound, for that API must be told one. What a model
    thinks counts too, so a bound that is enough for answers alone would cut them off."""
    drop: tuple[str, ...] = ()
    """Fields of a request that are left out for this tier, such as `temperature` for a model that refuses it."""
    connect_s: Positive = 3.0
    first_token_s: Positive = 60.0
    """Until the first byte of an answer."""
    total_s: Positive = 300.0
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    """After the first try: on failed connections, 429 and 5xx."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Backend `student`: how many queries it answers at once. Backend `local`: processor threads of the model."""
    most_waiting: Annotated[int, msgspec.Meta(ge=0)] = 64
    """Backends `student` and `local`: how many more may wait for their turn; the next one finds it busy."""
    weights: str | None = None
    """Backend `local`: `packaged` (SmolLM2-135M-Instruct), `hub:OWNER/NAME/FILE.gguf`, or a GGUF file."""
    context: Annotated[int, msgspec.Meta(ge=256)] = 4_096
    """Backend `local`: tokens of one query with its answer; see `long_input` for a longer one."""
    context_tokens: Annotated[int, msgspec.Meta(ge=256)] | None = None
    """Backends over HTTP: tokens of one query with its answer. None: not known, and every query is sent. Backend
    `local` has `context` instead."""
    long_input: Literal["escalate", "map_reduce"] = "escalate"
    """What becomes of a query that does not fit: the next tier's, or read in parts by this one."""
    slots: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Backend `local`: queries that the model answers at once."""
    port: Port | None = None
    """Backend `local`: of its own server, on the loopback; None: any that is free."""
    recording: str | None = None
    """Backend `recorded`: the answers that the gateway replays, as JSON lines of id, task, text and answer."""
    max_connections: Annotated[int, msgspec.Meta(ge=1)] = 512


class BudgetSettings(_Frozen, frozen=True):
    """At most `usd` in a period of UTC's calendar."""

    usd: NonNegative
    period: Literal["day", "month", "total"] = "month"


class TaskSettings(_Frozen, frozen=True):
    """How a task is graded and what is asked of it."""

    metric: Literal["accuracy", "entity_f1", "rouge_l", "judge", "none"] = "none"
    """none: graded by judge or gold where there are any; else nothing is certified and the top tier serves."""
    student: Literal["classifier", "tagger", "picker", "retriever"] | None = None
    """Which kind of model the backend `student` trains for it; none: that backend has no answer for the task."""
    handled_at: Share = 1.0
    sla_ms: Positive | None = None
    """Latency objective: bounds the sum of all cheap steps. None: no bound, and reports assume a second."""
    guarantee: Literal["quality_ratio", "joint", "conditional", "paper"] = "quality_ratio"
    serve_when: Literal["certified", "asymptotic", "empirical"] = "asymptotic"
    """The weakest status under which cheap tiers may serve."""
    stale: Literal["top", "serve"] = "top"
    """After an alarm: the top tier serves until the task is calibrated again, or the last certificate goes on serving,
    which header, log and metrics say."""
    streaming: Literal["buffered", "commit"] | None = None
    """How a cheap tier's answer comes to a client that wants a stream: buffered, held until it is accepted; commit,
    until its commit point, where the policy has a commit rule for the task. None: as `gateway.streaming`."""
    commit_at: Annotated[int, msgspec.Meta(ge=1)] | Literal["sentence"] | None = None
    """The commit point, in tokens or at the first sentence's end. Certificates hold for the policy's own: where that is
    another, the task is buffered. None: the policy's."""
    allowed_tiers: tuple[str, ...] | None = None
    """A wall: no query of this task reaches another tier, be it by routing, failure or audit. None: all tiers."""
    budget: BudgetSettings | None = None
    """Of all callers together; keys can have budgets of their own."""
    eps: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.03
    """The quality ratio asked for is 1 - eps."""
    alpha: Share = 0.05
    """Level of the paper's conformal rule."""
    delta: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.10
    """Allowed chance that calibration was unlucky, per task and certificate."""

    @property
    def sla_s(self) -> float:
        """The latency objective in seconds, as reports use it."""
        return (self.sla_ms or 1000.0) / 1000.0


class EncoderSettings(_Frozen, frozen=True):
    """Where the weights of the sentence encoder come from."""

    weights: str = "packaged"
    """`packaged`, `hub`, or a folder that holds model.safetensors and tokenizer.json."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2


class PolicySettings(_Frozen, frozen=True):
    """What decides."""

    folder: str | None = None
    """Of a policy, or of what `routenlp train` wrote; none: the top tier answers every query. Once the store has an
    active version (`routenlp policies`), that one serves and this is not looked at."""
    shadow_rate: Share = 0.1
    """Of the queries, that a candidate in shadow is run on."""


class TaskClassifierSettings(_Frozen, frozen=True):
    """Names the task of requests that come without one."""

    folder: str
    """What `routenlp train-tasks` wrote."""


class JudgeSettings(_Frozen, frozen=True):
    """Who grades answers that no metric can."""

    tier: str
    rubric: str | None = None
    """A file with the rubric's text; none: the built-in one."""
    same_family: Literal["refuse", "warn"] = "refuse"
    """Whether the judge may grade tiers of which some, and not all, are of its own family."""
    gold: Annotated[int, msgspec.Meta(ge=0)] = 300
    """Labels by people that are asked for of each task, and without which what the judge says calibrates nothing."""


class AuditSettings(_Frozen, frozen=True):
    """The random share of queries on which every allowed tier is run and graded."""

    rate: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.02
    """At the least, once the task is served by its certificate, or by what was seen of it; 0: audits are off then."""
    most_rate: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.12
    """To which `rate` rises where a task has too few requests for an alarm in `alarm_days`: audits cost at most this
    share of what routing saves."""
    alarm_days: Positive = 3.0
    """In which an alarm is wanted, at the median, were a task's risk to double."""
    bootstrap_rate: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.2
    """Until then."""
    max_usd_per_day: NonNegative = 20.0
    most_missing: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.05
    """Largest share of the audits that may be missing (not run, not graded) for a certificate to be made or kept."""
    tiers: Literal["all"] | tuple[str, ...] = "all"


class RecalibrationSettings(_Frozen, frozen=True):
    """When tasks are calibrated again, beside alarms, voided certificates and labels that were waited for."""

    schedule: Literal["none", "paper"] = "none"
    """paper: every 48 hours, or when coverage fell by 5 points, on the newest 2,000 audits."""
    unwatched_days: Positive = 30.0
    """Without a graded audit, after which a certificate no longer counts: nobody would see that it broke."""


class ContentSettings(_Frozen, frozen=True):
    """What is kept of messages and answers."""

    store: Literal["none", "audits", "all"] = "none"
    retain_days: Positive = 30.0
    redact: tuple[Literal["email", "phone"], ...] = ("email", "phone")


class StoreSettings(_Frozen, frozen=True):
    """Where traces, keys and budgets are kept."""

    url: str = "sqlite:///routenlp.db"


class GatewaySettings(_Frozen, frozen=True):
    """The listeners and their limits."""

    host: str = "127.0.0.1"
    port: Port = 8080
    admin_host: str = "127.0.0.1"
    admin_port: Port = 8081
    admin_key_env: str = "ROUTENLP_ADMIN_KEY"
    """Name of the variable that holds the admin listener's key; without a value, only health is served there."""
    auth: Literal["keys", "none"] = "keys"
    """keys: every request needs one that `routenlp keys create` made. none: anybody who reaches the port may ask."""
    streaming: Literal["buffered", "commit"] = "buffered"
    """Of tasks that do not say."""
    keep_prompt_caches: bool = True
    """Weigh, when a conversation goes on, what leaving a tier's prompt cache would cost."""
    max_body_mb: Positive = 32.0
    header_timeout_s: Positive = 10.0
    body_timeout_s: Positive = 30.0
    drain_s: NonNegative = 30.0
    """How long requests in progress may go on after SIGTERM."""


class Settings(_Frozen, frozen=True):
    """The whole tree."""

    portfolio: Annotated[tuple[TierSettings, ...], msgspec.Meta(min_length=1)]
    tasks: dict[str, TaskSettings] = {}
    family_delta: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] | None = None
    """One delta split over all tasks; none: each task has its own."""
    policy: PolicySettings = PolicySettings()
    task_classifier: TaskClassifierSettings | None = None
    """None: a request without a task is `default`."""
    judge: JudgeSettings | None = None
    audit: AuditSettings = AuditSettings()
    recalibration: RecalibrationSettings = RecalibrationSettings()
    content: ContentSettings = ContentSettings()
    store: StoreSettings | None = None
    """None: nothing is recorded, and there are no keys."""
    gateway: GatewaySettings = GatewaySettings()
    encoder: EncoderSettings = EncoderSettings()
    data_dir: str | None = None
    """Folder that holds `six-tasks/`; absent: looked for (`bench.datasets.locate`)."""
    cache_dir: str = "~/.cache/routenlp"
    """Encodings, encoder weights and downloads."""
    seed: int = 0
    """Of everything that draws: samples, fits, bootstraps."""

    def streaming_of(self, task: str) -> Literal["buffered", "commit"]:
        """How its streams are served, as far as the policy can."""
        given = self.tasks.get(task)
        return (given.streaming if given is not None else None) or self.gateway.streaming

    def tiers_of(self, task: str) -> tuple[str, ...]:
        """The tiers that `task` allows, cheapest first."""
        given = self.tasks.get(task)
        allowed = None if given is None else given.allowed_tiers
        return tuple([tier.name for tier in self.portfolio if allowed is None or tier.name in allowed])

    def top_of(self, task: str) -> str:
        """The last tier that `task` allows: what its other tiers are compared with."""
        return self.tiers_of(task)[-1]


def load(path: Path | None, environ: Mapping[str, str], *, default: str) -> Settings:
    """Settings from the file at `path`, or from the YAML text `default`, overridden by `environ`.

    Raises `SettingsError` naming file and key for a missing file, bad YAML, an unknown key or a value out of range.
    """
    source = str(path) if path else "built-in settings"
    text = default if path is None else _text(path)
    try:
        tree: object = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise SettingsError(source, f"is not YAML ({_first_line(exc)})", "Mend the line it names.") from exc
    if not isinstance(tree, dict):
        raise SettingsError(source, "is not a mapping of sections", "See `routenlp.yaml` in the documentation.")
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in NOT_SETTINGS:
            _override(tree, variable, environ[variable])
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as exc:
        raise SettingsError(source, _first_line(exc), "Correct the key; unknown keys are errors.") from exc
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Raises `SettingsError` where keys do not fit together, naming the first that does not."""
    for tier in settings.portfolio:
        where = f"portfolio.{tier.name}"
        remote = tier.backend in REMOTE
        if not remote and tier.price is None:
            raise UnknownPrice(f"{where}.price", "is not given", "Give input_usd_per_mtok and output_usd_per_mtok.")
        if remote and not (tier.base_url and tier.model):
            missing = "model" if tier.base_url else "base_url"
            needs = f"The backend {tier.backend} needs base_url and model."
            raise SettingsError(f"{where}.{missing}", "is not given", needs)
        if tier.context_tokens is not None and not remote:
            raise SettingsError(f"{where}.context_tokens", f"is not for {tier.backend}", "Backend local has context.")
        if tier.long_input == "map_reduce" and tier.context_tokens is None and tier.backend != "local":
            needs = "Give context_tokens: only backends over HTTP, and local, read in parts."
            raise SettingsError(f"{where}.long_input", "is map_reduce, and the context is not known", needs)
    names = [tier.name for tier in settings.portfolio]
    for key, tiers in _named_tiers(settings):
        unknown = [name for name in tiers if name not in names]
        if unknown or not tiers:
            raise SettingsError(key, f"is {list(tiers)}", f"Name tiers of the portfolio: {', '.join(names)}.")


def _named_tiers(settings: Settings) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, task in settings.tasks.items():
        if task.allowed_tiers is not None:
            yield f"tasks.{name}.allowed_tiers", task.allowed_tiers
    if settings.judge is not None:
        yield "judge.tier", (settings.judge.tier,)
    if settings.audit.tiers != "all":
        yield "audit.tiers", settings.audit.tiers


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(str(path), f"cannot be read ({exc})", "Name a readable UTF-8 file.") from exc


def _override(tree: dict[str, Any], variable: str, raw: str) -> None:
    keys = variable.removeprefix(PREFIX).lower().split("__")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError as exc:
        raise SettingsError(variable, f"is {raw!r}, which is not YAML", "Give a plain value.") from exc
    node: Any = tree
    for key in keys[:-1]:
        node = _child(node, key, variable)
    if isinstance(node, list):
        node[_index(node, keys[-1], variable)] = value
    elif isinstance(node, dict):
        node[_existing(node, keys[-1])] = value
    else:
        raise SettingsError(variable, "does not name a setting", "Write ROUTENLP_SECTION__KEY.")


def _child(node: Any, key: str, variable: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, key, variable)]
    if isinstance(node, dict):
        return node.setdefault(_existing(node, key), {})
    raise SettingsError(variable, f"goes through {key!r}, which is a value", "Write ROUTENLP_SECTION__KEY.")


def _existing(node: dict[str, Any], key: str) -> str:
    """The key of `node` that equals `key` but for case (variables are upper-case), else `key`."""
    return next((k for k in node if k.lower() == key), key)


def _index(node: list[Any], key: str, variable: str) -> int:
    if not key.isdigit() or int(key) >= len(node):
        raise SettingsError(variable, f"names item {key!r} of {len(node)}", f"Use 0 to {len(node) - 1}.")
    return int(key)


def _first_line(exc: Exception) -> str:
    return str(exc).splitlines()[0]
