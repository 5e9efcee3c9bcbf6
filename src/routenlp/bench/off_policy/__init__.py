"""How often off-policy intervals cover a truth that is known: in simulated traffic, and on recorded outcomes."""
