"""Operators of a database of a test's own."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping


async def operator_token(env: Mapping[str, str]) -> str:
    """The token of a new operator of the database that `env` names."""
    command = ["-m", "services.cli", "operator", "create", "tester", "--role", "admin", "--json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env={**os.environ, **env}, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return str(json.loads(out)["token"])
