"""Streaming under a cascade, buffered and with a commit point: quality, cost and time to first token, by replay."""
