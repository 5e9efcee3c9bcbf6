"""Tiers behind any endpoint that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama, providers."""
