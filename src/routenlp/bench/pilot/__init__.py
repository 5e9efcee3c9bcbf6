"""Eight simulated weeks of traffic through the real machine, store, detectors, worker and loop."""
