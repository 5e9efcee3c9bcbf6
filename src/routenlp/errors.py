"""Every error that routenlp raises on purpose.

    RouteNlpError
    ├── SettingsError          a setting is missing, unknown or out of range      (exit code 2)
    │   └── UnknownPrice       a tier has no price; it is never taken as 0
    ├── DataError              a row, file or fold cannot be used
    │   ├── MissingData        nothing lies where data was expected
    │   ├── CorruptData        a file is truncated, malformed or has the wrong hash
    │   ├── FoldOverlap        one group lies in two folds
    │   └── ContaminatedLessons   a lesson resembles a row that judges what is learned from it
    ├── UnknownTask            a query names a task that the policy does not know
    ├── TrainingError          a model cannot be fitted from these rows
    ├── ArtefactError          a stored model or policy is incomplete, altered or of another format
    ├── StoreError             the database of traces, spend and keys cannot be used
    │   └── LockHeld           another turn or promotion is at work
    ├── BackendError           a tier could not answer
    └── IllegalMove            the machine was advanced in a way that its rules forbid

Each message names the offending key or file, its value, and what to do about it.
"""

from __future__ import annotations


class RouteNlpError(Exception):
    """Base of all errors raised on purpose."""

    def __init__(self, subject: str, problem: str, remedy: str) -> None:
        """`subject`: the key or file; `problem`: what is wrong, with the value; `remedy`: what to do."""
        super().__init__(f"{subject}: {problem}. {remedy}")
        self.subject = subject
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[RouteNlpError], tuple[str, str, str]]:
        """So that it may pass between processes: an exception is rebuilt from its message alone otherwise."""
        return type(self), (self.subject, self.problem, self.remedy)


class SettingsError(RouteNlpError):
    """A setting is missing, unknown or out of range."""


class UnknownPrice(SettingsError):
    """A tier has no price. An unknown price is an error, never $0."""


class DataError(RouteNlpError):
    """A row, file or fold cannot be used."""


class MissingData(DataError):
    """Nothing lies where data was expected."""


class CorruptData(DataError):
    """A file is truncated, malformed, or does not have the hash it should."""


class FoldOverlap(DataError):
    """A group lies in two folds, so rows that training saw could calibrate or test."""


class ContaminatedLessons(DataError):
    """A lesson is, or nearly is, a row of the calibrate, gate or test fold: the turn is aborted."""


class UnknownTask(RouteNlpError):
    """A query names a task that the policy does not know."""


class TrainingError(RouteNlpError):
    """A model cannot be fitted from the rows given."""


class ArtefactError(RouteNlpError):
    """A stored model or policy is incomplete, altered, or of a format that this version does not read."""


class StoreError(RouteNlpError):
    """The database of traces, spend and keys cannot be opened, read or written."""


class LockHeld(StoreError):
    """Another turn or promotion is at work on the same store; the message says whose, and since when."""


class BackendError(RouteNlpError):
    """A tier could not answer a query."""


class IllegalMove(RouteNlpError):
    """The machine was advanced in a way that its rules forbid."""
