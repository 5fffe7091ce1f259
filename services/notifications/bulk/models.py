"""The tables of a send."""
