"""From lessons to new tiers: students refitted, a language model tuned, or a file for whoever trains elsewhere."""
