"""What keeping the record costs."""
