"""Promises about thresholds and policies: arrays in, verdicts out. Symbols as in the sources cited."""
