"""How uncertain an answer is, from 0 (sure) to 1."""
