"""A page in a person's own browser, where two answers to one query are compared."""
