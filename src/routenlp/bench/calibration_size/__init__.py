"""How large a calibration set must be: the paper's table, with each of its possible rates under its own name."""
