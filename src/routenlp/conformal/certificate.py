"""What was proved for a task, for what, and when. Any change of what it was proved for voids it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

from routenlp.conformal.verdict import Method, Status, Verdict
from routenlp.errors import ArtefactError

FORMAT = "routenlp-certificate/1"
UNBOUND = "unbound"
"""In place of a hash of what cannot be known where the certificate is made: no change of it is ever noticed."""


@dataclass(frozen=True, slots=True)
class ProvedFor:
    """Hashes of everything that decides which answer a query gets, how good it is said to be, and what it costs."""

    models: str
    prompts: str
    router: str
    scorer: str
    judge: str
    """Of the grader: the metric's name and version where no judge is asked."""
    prices: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """One rule's proof for one task. Certificates that differ in any field have different ids."""

    task: str
    rule: str
    target: float
    """alpha or eps, as the rule says."""
    delta: float
    n: int
    """Calibration rows."""
    groups: int
    """Exchangeable units that they make."""
    method: Method
    status: Status
    bound: float | None
    """One-sided, at 1 - delta."""
    estimate: float | None
    proved_for: ProvedFor
    issued_at: datetime
    """With its time zone; kept in UTC."""
    over: tuple[str, ...] = ()
    """The tasks that the promise holds over, their queries taken together; empty: this task by itself."""

    def __post_init__(self) -> None:
        if self.issued_at.tzinfo is None:
            raise ArtefactError("issued_at", "has no time zone", "Give a time with its zone, such as UTC.")
        object.__setattr__(self, "issued_at", self.issued_at.astimezone(UTC))

    @property
    def id(self) -> str:
        """SHA-256 of the canonical JSON, in hex."""
        return hashlib.sha256(to_json(self).encode()).hexdigest()

    @property
    def proof(self) -> str:
        """SHA-256 of all but what it is bound to: one that goes on under another policy is the same proof."""
        bound_to_nothing = {**asdict(self), "proved_for": None, "issued_at": self.issued_at.isoformat()}
        return hashlib.sha256(json.dumps(bound_to_nothing, sort_keys=True).encode()).hexdigest()


def issue(
    task: str, verdict: Verdict, proved_for: ProvedFor, issued_at: datetime, over: tuple[str, ...] = ()
) -> Certificate:
    """The certificate of a verdict. `issued_at` must have a time zone; `over`: tasks that were tested together."""
    return Certificate(
        task=task,
        rule=verdict.rule,
        target=verdict.target,
        delta=verdict.delta,
        n=verdict.n,
        groups=verdict.groups,
        method=verdict.method,
        status=verdict.status,
        bound=verdict.bound,
        estimate=verdict.estimate,
        proved_for=proved_for,
        issued_at=issued_at,
        over=over,
    )


def voided_by(certificate: Certificate, current: ProvedFor) -> tuple[str, ...]:
    """What has changed since, by name, in the order of `ProvedFor`. Empty: the certificate still holds.

    What it was not bound to (`UNBOUND`) cannot void it.
    """
    then, now = asdict(certificate.proved_for), asdict(current)
    return tuple(name for name in then if then[name] not in (UNBOUND, now[name]))


def to_json(certificate: Certificate) -> str:
    """Canonical: sorted keys, no white space. Equal certificates give equal text."""
    body = asdict(certificate) | {"format": FORMAT, "issued_at": certificate.issued_at.isoformat()}
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Certificate:
    """Reads what `to_json` wrote. Raises `ArtefactError` for any other text, key or value."""
    try:
        body = json.loads(text)
        if not isinstance(body, dict) or body.pop("format", None) != FORMAT:
            raise ValueError(f"is not of the format {FORMAT}")
        proved_for = ProvedFor(**_texts(body.pop("proved_for")))
        changed = {
            "method": Method(body["method"]),
            "status": Status(body["status"]),
            "issued_at": datetime.fromisoformat(body["issued_at"]),
            "over": _names(body.get("over", [])),
        }
        certificate = Certificate(**(body | changed), proved_for=proved_for)
        _check_types(certificate)
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise ArtefactError("certificate", f"cannot be read: {exc}", "Calibrate again to renew it.") from exc
    return certificate


def _texts(hashes: Mapping[str, object]) -> dict[str, str]:
    texts = {name: value for name, value in hashes.items() if isinstance(value, str)}
    if len(texts) != len(hashes):
        raise ValueError("a hash is no text")
    return texts


def _names(listed: object) -> tuple[str, ...]:
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise ValueError(f"over is {listed!r}")
    return tuple(listed)


_ALLOWED: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "float | None": (float, int, type(None)),
}


def _check_types(certificate: Certificate) -> None:
    for field in fields(certificate):
        allowed = _ALLOWED.get(str(field.type))
        value = getattr(certificate, field.name)
        if allowed and (isinstance(value, bool) or not isinstance(value, allowed)):
            raise ValueError(f"{field.name} is {value!r}")
