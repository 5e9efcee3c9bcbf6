"""A page in a person's own browser, where audited queries get their grades. No script, nothing from elsewhere."""
