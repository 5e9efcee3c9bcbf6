"""Tiers behind Anthropic's Messages API: chat completions are translated at the edge, both ways."""
