#!/usr/local/bin/python3 -IS
"""``einlass-ready PORT``: ends with 0 where the process on this port can do its work.

The health check of every container of the image, which has no curl. It is asked every few
seconds for every process, so it imports nothing that takes long.
"""

import socket
import sys

_TIMEOUT = 4.0


def ready(port: int) -> bool:
    """Whether ``/readyz`` on loopback answers 200 within four seconds."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT) as connection:
            connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            status = connection.makefile("rb").readline().split()
    except OSError:
        return False
    return len(status) > 1 and status[1] == b"200"


if __name__ == "__main__":
    sys.exit(0 if ready(int(sys.argv[1])) else 1)
