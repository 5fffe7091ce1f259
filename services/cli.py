"""`einlass`: every process and every command of the installation.

einlass <service> api|worker     a process of a service
einlass waitlist why …           why somebody was or was not promoted
einlass migrate                  databases and topics to the newest version
einlass operator …               who may operate
einlass newsletter …             subscribers from and to files
einlass contracts                OpenAPI, AsyncAPI and JSON Schema from the code
einlass dead-letters …           messages that could not be handled
einlass doctor                   counts again, compares, says what is wrong, mends counters
"""

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args
from uuid import UUID

import typer
import uvloop

from services.contracts import topics
from services.contracts.envelope import Locale
from services.kit import deadletters, migrations, telemetry
from services.kit.db import Database
from services.kit.kafka import create_topics
from services.kit.operators import Role
from services.kit.server import serve
from services.kit.settings import Settings
from services.kit.worker import Worker

ServiceName = Literal["registration", "waitlist", "notifications"]
SERVICES: Final[tuple[ServiceName, ...]] = get_args(ServiceName)

main = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
operator = typer.Typer(no_args_is_help=True, help="Who may operate.")
letters = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")
newsletter = typer.Typer(no_args_is_help=True, help="The newsletter's subscribers.")
main.add_typer(operator, name="operator")
main.add_typer(letters, name="dead-letters")
main.add_typer(newsletter, name="newsletter")

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on.")]


def _settings(service: ServiceName) -> Any:
    """The service's own settings. Raises pydantic's ValidationError."""
    module = importlib.import_module(f"services.{service}.settings")
    return getattr(module, f"{service.capitalize()}Settings")()


def _service(name: ServiceName) -> typer.Typer:
    group = typer.Typer(no_args_is_help=True, help=f"Processes of {name}.")

    @group.command()
    def api(host: Host = "127.0.0.1", port: Port = 8000) -> None:
        """Serves pages and API until SIGTERM."""
        settings = _settings(name)
        telemetry.configure(name, "api", settings.log_level)
        app = importlib.import_module(f"services.{name}.app").create_app(settings)
        uvloop.run(serve(app, host, port, settings.trusted_proxies))

    @group.command()
    def worker(
        only: Annotated[str, typer.Option(help="Roles, with commas; all without it.")] = "",
        host: Host = "127.0.0.1",
        port: Port = 8100,
    ) -> None:
        """Runs the background roles until SIGTERM; health and metrics on the port."""
        settings = _settings(name)
        telemetry.configure(name, "worker", settings.log_level)
        made: Worker = importlib.import_module(f"services.{name}.workers").create_worker(settings)
        chosen = [role for role in only.split(",") if role]
        if unknown := set(chosen) - set(made.roles):
            raise typer.BadParameter(
                f"{', '.join(sorted(unknown))}: {name} has {', '.join(made.roles)}"
            )
        uvloop.run(made.run(chosen, host, port))

    return group


GROUPS: Final = {name: _service(name) for name in SERVICES}
for _name, _group in GROUPS.items():
    main.add_typer(_group, name=_name)


@GROUPS["waitlist"].command()
def why(
    event: Annotated[str, typer.Argument(help="The event's slug.")],
    person: Annotated[UUID, typer.Argument(help="The registration's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Why this registration was or was not promoted."""
    settings = _settings("waitlist")
    command = importlib.import_module("services.waitlist.command")
    raise typer.Exit(command.run(settings, event, person, as_json=as_json))


@main.command()
def migrate(
    replication: Annotated[int, typer.Option(help="Replicas of each new topic.")] = 1,
) -> None:
    """Brings the three databases and the topics to the newest version."""
    for service in SERVICES:
        migrations.upgrade(service, _settings(service).database_url)
        typer.echo(f"{service}: database is up to date")
    made = asyncio.run(create_topics(Settings().kafka_bootstrap, topics.ALL, replication))
    typer.echo(f"topics made: {', '.join(made) or 'none, all exist'}")


@main.command()
def contracts(
    check: Annotated[bool, typer.Option("--check", help="Compare only; 1 on a drift.")] = False,
) -> None:
    """Writes OpenAPI, AsyncAPI and JSON Schema anew from the code."""
    command = importlib.import_module("services.documents.command")
    raise typer.Exit(command.run(check))


@main.command()
def doctor(
    event: Annotated[str | None, typer.Option(help="Only this event, with its numbers.")] = None,
    person: Annotated[
        UUID | None, typer.Option(help="Why this registration was or was not promoted.")
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend counters.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    patience: Annotated[
        float, typer.Option(help="Seconds that messages on their way are given.")
    ] = 5.0,
    watch: Annotated[
        float | None, typer.Option(help="Look every so many seconds until SIGTERM.", min=1)
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8190,
) -> None:
    """Counts again, compares the services and says what is wrong; 1 where anything is."""
    command = importlib.import_module("services.doctor.command")
    if watch is not None:
        raise typer.Exit(command.keep_watch(watch, patience, host, port))
    asked = command.Asked(event, person, repair, as_json, patience)
    raise typer.Exit(command.run(asked))


def _operators() -> tuple[Any, Database]:
    module = importlib.import_module("services.registration.operators")
    return module, Database(_settings("registration").database_url, name="cli", pool=1)


@operator.command("create")
def operator_create(
    name: str,
    role: Annotated[str, typer.Option(help="viewer, editor or admin")] = "viewer",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Makes an operator, or gives one a new role, password and token. Shows both once."""
    if role not in get_args(Role):
        raise typer.BadParameter("viewer, editor or admin")
    module, db = _operators()
    made = asyncio.run(module.create(db, name, role))
    shown = {"name": made.name, "role": made.role, "password": made.password, "token": made.token}
    if as_json:
        typer.echo(json.dumps(shown))
    else:
        typer.echo("\n".join(f"{key:9} {value}" for key, value in shown.items()))


@operator.command("list")
def operator_list() -> None:
    """Lists operators and their roles."""
    module, db = _operators()
    for one in asyncio.run(module.everyone(db)):
        typer.echo(f"{one.name}  {one.role}")


@operator.command("remove")
def operator_remove(name: str) -> None:
    """Removes an operator; the token is of no use from then on."""
    module, db = _operators()
    if not asyncio.run(module.remove(db, name)):
        raise typer.BadParameter(f"no operator is called {name}")
    typer.echo(f"{name} removed")


@newsletter.command("import")
def newsletter_import(
    file: Annotated[Path, typer.Argument(help="CSV, ours or listmonk's.")],
    by: Annotated[str, typer.Option(help="Who vouches that these people have consented.")],
    reason: Annotated[str, typer.Option(help="When and how they did.")],
    locale: Annotated[str, typer.Option(help="Their language where the file has none.")] = "de",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Takes subscribers out of a file; whoever is suppressed stays out."""
    if locale not in get_args(Locale):
        raise typer.BadParameter(", ".join(get_args(Locale)))
    command = importlib.import_module("services.notifications.subscribers.command")
    settings = _settings("notifications")
    raise typer.Exit(
        command.import_file(settings, file, locale=locale, by=by, reason=reason, as_json=as_json)
    )


@newsletter.command("export")
def newsletter_export() -> None:
    """Writes all subscribers to the output, as CSV."""
    command = importlib.import_module("services.notifications.subscribers.command")
    raise typer.Exit(command.export(_settings("notifications"), sys.stdout))


def _service_name(value: str) -> ServiceName:
    for name in SERVICES:
        if name == value:
            return name
    raise typer.BadParameter(", ".join(SERVICES))


@letters.command("list")
def letters_list(service: str) -> None:
    """Lists what a service could not handle, and why."""
    db = Database(_settings(_service_name(service)).database_url, name="cli", pool=1)
    for row in asyncio.run(deadletters.waiting(db)):
        typer.echo(
            f"{row.id}  {row.at:%Y-%m-%d %H:%M:%S}  {row.topic}/{row.partition}/{row.offset}"
        )
        typer.echo(f"    {row.error}")


@letters.command("replay")
def letters_replay(service: str, letter_id: int) -> None:
    """Handles one again; on success it is no longer listed."""
    name = _service_name(service)
    made = importlib.import_module(f"services.{name}.workers").create_consumer(_settings(name))
    try:
        asyncio.run(made.replay(letter_id))
    except LookupError:
        raise typer.BadParameter("no such letter waits") from None
    typer.echo(f"{letter_id} handled")


if __name__ == "__main__":
    main()
