"""What goes on beside the gateway: turns of the loop, audits, labels."""
