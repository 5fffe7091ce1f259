"""Pure rules of registration: they decide, take the time as an argument, and do no I/O."""
