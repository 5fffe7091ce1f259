"""What the tests share: the running stack, its databases, its mailbox, and events to try."""
