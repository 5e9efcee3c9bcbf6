"""`routenlp bench record`: two language models answer every row once, and benches replay it."""
