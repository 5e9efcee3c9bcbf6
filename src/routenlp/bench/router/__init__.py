"""How good the router's estimates are, what they are worth, and how fast they come."""
