"""What every fit of a student hands out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from routenlp.contracts import Student
from routenlp.types import Prediction

StudentT = TypeVar("StudentT", bound=Student, covariant=True)


@dataclass(frozen=True, slots=True)
class FittedStudent(Generic[StudentT]):
    """A student, and what models that had not seen a training row said of it.

    The router learns from the latter: a student judges rows that it was fitted on too kindly.
    """

    student: StudentT
    held_out: Mapping[str, Prediction]
    """By query id; some of the training rows or all."""
