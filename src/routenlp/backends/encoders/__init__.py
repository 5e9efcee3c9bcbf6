"""Text to vectors: hashed n-grams, static embeddings, MiniLM, and a cache around any of them."""
