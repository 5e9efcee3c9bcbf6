"""A small real causal model, made here."""

from __future__ import annotations

from tests.unit.training.distil.conftest import small_model

__all__ = ["small_model"]
