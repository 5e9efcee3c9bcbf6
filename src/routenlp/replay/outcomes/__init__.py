"""What models answered, as recorded by others: reading it, choosing tiers among the models, splitting it into folds."""
