"""Candidates whose truth is known, sent through gate, shadow and canary: who is promoted, who is stopped, and where."""
