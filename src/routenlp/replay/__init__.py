"""Whole policies over recorded answers: folds, vectorised replay, calibration."""
