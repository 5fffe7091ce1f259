"""Ends a stack's children when its supervisor is gone without having done so.

The supervisor holds the other end of this process's standard input and never writes to it. The
end of that input means that the supervisor has ended; a supervisor that ended properly has removed
its record before, and nothing is left to do.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.local import record


def main(path: Path, supervisor: int) -> None:
    """Wait for the end of standard input, then end what that supervisor left."""
    sys.stdin.buffer.read()
    run = record.read(path)
    if run is not None and run.supervisor.pid == supervisor:
        record.end(run.children)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
