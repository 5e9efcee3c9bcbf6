"""Labelled rows for the benches: the six supplied tasks, public downloads, and a generated stand-in for both."""
