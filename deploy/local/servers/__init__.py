"""The servers of the stack: for each a module that makes its program from a plan."""
