"""What notifications decides, without any I/O; the time is an argument."""
