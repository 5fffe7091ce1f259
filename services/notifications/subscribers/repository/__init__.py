"""The SQL of the subscribers."""
