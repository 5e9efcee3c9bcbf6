"""`routenlp bench six-tasks`: trains tiers and router, calibrates, runs the test rows, and measures every system."""
