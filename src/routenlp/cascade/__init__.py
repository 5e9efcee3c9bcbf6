"""The policy, and the machine that runs one query through it without doing any I/O."""
