"""Before the answer: what each tier would deliver on this query, and where to begin."""
