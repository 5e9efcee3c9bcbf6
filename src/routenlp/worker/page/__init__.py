"""What pages in a person's own browser share: who may open them, how they look. No script, nothing from elsewhere."""
