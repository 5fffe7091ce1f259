"""Pure decisions about a line. Nothing here reads a clock, a database or a network."""
