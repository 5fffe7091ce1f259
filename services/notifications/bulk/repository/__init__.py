"""All SQL of sending in bulk."""
