"""The tables of the subscribers."""
