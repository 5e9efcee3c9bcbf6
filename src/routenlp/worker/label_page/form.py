"""What a person sent: a form of bounded size, as one line of a label file."""

from __future__ import annotations

import json
from dataclasses import dataclass

from routenlp.worker.page.fields import BadForm, read_fields

_QUALITY = "quality-"


@dataclass(frozen=True, slots=True)
class Filled:
    """One form."""

    id: str
    put_off: bool
    """Nothing is said of it for now."""
    reference: str | None
    """None where it was left empty."""
    quality: dict[str, float]
    """By letter."""

    def line(self) -> str:
        """As `labels.import_labels` reads it."""
        return json.dumps({"id": self.id, "reference": self.reference, "quality": self.quality})


def read_form(body: bytes) -> Filled:
    """Raises `BadForm`, for a field that the page does not have too."""
    fields = read_fields(body)
    quality = {name.removeprefix(_QUALITY): value for name, value in fields.items() if name.startswith(_QUALITY)}
    unknown = [name for name in fields if name not in ("id", "reference", "put-off") and not name.startswith(_QUALITY)]
    if unknown or not fields.get("id"):
        raise BadForm("The form has fields that this page has not.")
    reference = fields.get("reference", "").replace("\r\n", "\n").strip()
    return Filled(fields["id"], "put-off" in fields, reference or None, {k: _grade(v) for k, v in quality.items()})


def _grade(text: str) -> float:
    try:
        grade = float(text)
    except ValueError as exc:
        raise BadForm("A grade is no number.") from exc
    if not 0.0 <= grade <= 1.0:
        raise BadForm("A grade lies outside 0 to 1.")
    return grade
