"""The tiers, cheapest first, and what an answer of each costs."""
