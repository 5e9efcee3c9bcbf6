"""What routing would have saved on recorded outcomes: one fit a split, every system on the same rows."""
