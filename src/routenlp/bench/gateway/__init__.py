"""What the gateway adds: time, processor and memory, against a loopback stub that answers at once."""
