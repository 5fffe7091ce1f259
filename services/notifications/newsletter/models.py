"""The tables of the issues."""
