"""The loop's stages, each a pure function over records: from failures to lessons, what they cost, when to stop."""
