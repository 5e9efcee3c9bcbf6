"""What a store's record says of a period: money, quality, changes, sampling, and what nobody knows. Pure."""
