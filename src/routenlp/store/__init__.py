"""What outlives a process: artefacts in folders now, traces in a database later."""
