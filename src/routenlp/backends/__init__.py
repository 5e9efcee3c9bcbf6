"""What answers for a tier, and what turns text into vectors. I/O, clocks and heavy imports are allowed here."""
