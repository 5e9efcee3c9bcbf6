"""Has quality fallen since calibration? Sequential detectors over audits, O(1) a sample, and what they call for."""
