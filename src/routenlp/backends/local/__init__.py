"""A language model that runs here: a child process with an OpenAI-compatible server, started and kept up by us."""
