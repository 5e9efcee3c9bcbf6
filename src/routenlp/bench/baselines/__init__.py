"""Whether the baselines do what their papers report, on recordings that can be had."""
