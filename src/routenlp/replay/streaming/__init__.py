"""Policies with streams replayed over recorded token probabilities: what is released, cancelled or held."""
