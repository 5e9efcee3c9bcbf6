"""A domain that nobody trained for, met as traffic: what the loop makes of it, and what would refute it."""
