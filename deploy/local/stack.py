"""The whole stack of one home: starts everything in order, and ends everything.

Whatever happens to ``up`` half-way, nothing it started is left; and a run that was killed is
cleaned up by the next ``up`` of the same home before it starts anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, Self

from deploy.local import demo as programme
from deploy.local import record, secret
from deploy.local.child import Child, Program, failure, stop, wait_ready
from deploy.local.plan import (
    HOST,
    ROOT,
    SERVICES,
    Elsewhere,
    Places,
    Ports,
    StackError,
    check_ports,
    trusted_proxies,
)
from deploy.local.servers import gateway, kafka, mailbox, postgres, valkey

_ONE_SHOT_TIMEOUT: Final = 120.0
# A process that has just ended can hold its ports until the last of its threads is gone.
_LINGER: Final = 5.0
OPERATOR: Final = "admin"


class Stack:
    """A stack of one home. Not safe to use from several threads at once.

    Attributes:
        children: every child by its name, in the order of their start: ``postgres``, ``valkey``,
            ``kafka``, ``mailbox`` where they are not from elsewhere, then ``SERVICE-api`` and
            ``SERVICE-worker``, ``gateway``, and what ``spawn`` added.
    """

    def __init__(
        self,
        home: Path,
        port: int,
        environ: Mapping[str, str] = os.environ,
        log: Callable[[str], None] = print,
    ) -> None:
        self.places = Places(home.resolve())
        self.ports = Ports(port)
        self.elsewhere = Elsewhere.of(environ)
        self.children: dict[str, Child] = {}
        self._environ = dict(environ)
        self._log = log
        self._secrets: secret.Secrets | None = None
        self._run: record.Run | None = None
        self._recording = threading.Lock()
        self._cancelled = threading.Event()
        self._guard: subprocess.Popen[bytes] | None = None
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.down()

    @property
    def secrets(self) -> secret.Secrets:
        """The secrets of this home, generated on first use."""
        if self._secrets is None:
            self.places.home.mkdir(parents=True, exist_ok=True)
            self._secrets = secret.load(self.places.secrets)
        return self._secrets

    @property
    def operator(self) -> secret.Operator | None:
        """The first operator's credentials, once ``up`` has made one."""
        return self.secrets.operator

    @property
    def public_url(self) -> str:
        """Where people reach the site."""
        given = self._environ.get("EINLASS_PUBLIC_URL")
        return given or f"http://{HOST}:{self.ports.gateway}"

    @property
    def mailbox_url(self) -> str | None:
        """The page that shows every mail sent; ``None`` where mails go elsewhere."""
        return None if self.elsewhere.smtp else mailbox.web_url(self.ports)

    def administrator_url(self) -> str:
        """The PostgreSQL administrator's URL: our own superuser's, or the one that was given."""
        ours = postgres.administrator_url(self.ports.postgres, self.secrets)
        return self.elsewhere.postgres or ours

    def environment(self) -> dict[str, str]:
        """Every ``EINLASS_`` variable that a process beside this stack needs.

        What the caller has set is handed on, but what this stack decides stays so: a shell may
        still have the environment of another one.
        """
        administrator = self.administrator_url()
        given = {name: text for name, text in self._environ.items() if name.startswith("EINLASS_")}
        # An administrator's password is nothing that a service should have.
        given.pop("EINLASS_POSTGRES_URL", None)
        databases = {
            f"EINLASS_{service.upper()}_DATABASE_URL": postgres.service_url(
                administrator, service, self.secrets
            )
            for service in SERVICES
        }
        # A service is asked by the gateway alone, which itself may stand behind a proxy.
        proxies = ",".join([HOST, *trusted_proxies(self._environ)])
        own_mailbox = {
            "EINLASS_MAILBOX_URL": mailbox.web_url(self.ports),
            "EINLASS_IMAP_URL": mailbox.imap_url(self.ports, self.secrets),
        }
        registration = f"http://{HOST}:{self.ports.api('registration')}"
        return {
            **given,
            **databases,
            **({} if self.elsewhere.smtp else own_mailbox),
            "EINLASS_REGISTRATION_INTERNAL_URL": registration,
            "EINLASS_SECRET_KEY": self.secrets.secret_key,
            "EINLASS_PUBLIC_URL": self.public_url,
            "EINLASS_TRUSTED_PROXIES": proxies,
            "EINLASS_REDIS_URL": self.elsewhere.redis or valkey.url(self.ports.valkey),
            "EINLASS_KAFKA_BOOTSTRAP": self.elsewhere.kafka or kafka.bootstrap(self.ports.kafka),
            "EINLASS_SMTP_URL": self.elsewhere.smtp or mailbox.smtp_url(self.ports),
            "EINLASS_HOME": str(self.places.home),
            "EINLASS_PORT": str(self.ports.gateway),
        }

    def up(self, services: bool = True, demo: bool = False) -> None:
        """Start everything and return once all of it answers.

        Args:
            services: also the database migrations, the services' processes and the gateway.
            demo: also load the demo programme (needs the services).

        Raises:
            StackError: why it cannot be; whatever had been started has been ended.
        """
        self._cancelled.clear()
        self._held.enter_context(record.locked(self.places.lock))
        try:
            patience = _LINGER if self._end_leftovers() else 0.0
            check_ports(self.ports, self.elsewhere, services=services, patience=patience)
            self._run = record.Run(record.Identity.of(os.getpid()), self.environment())
            record.write(self.places.record, self._run)
            self._start_guard()
            self._start_servers()
            if services:
                self._run_once("migrate", ["migrate"])
                self._start_services()
                self._provide_operator()
                if demo:
                    self._load_demo()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """End every child in order: gateway, then apis and workers, then servers."""
        self._cancelled.set()
        if self._run is None:
            self._held.close()
            return
        stop(self.children.values())
        self.places.record.unlink(missing_ok=True)
        self._run = None
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
        self._held.close()

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        ready_url: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a further process with the stack's environment, and wait until it is ready.

        Args:
            name: its name in ``children`` and of its log.
            argv: its command; ``einlass`` as the first word means this project's own.
            ready_url: answers 200 once it is ready; ``None``: it is ready when it runs.
            env: variables beside the stack's, or instead of them.
        """
        child = self._add(
            Program(
                name=name,
                argv=[self._einlass(), *argv[1:]] if argv[0] == "einlass" else argv,
                env={
                    **self._environ,
                    **self.environment(),
                    "EINLASS_INSTANCE_ID": name,
                    **(env or {}),
                },
                ready=partial(gateway.answers, ready_url) if ready_url else _runs,
            )
        )
        child.start()
        return child

    def _start_servers(self) -> None:
        """All at once: each is prepared, started and waited for in a thread of its own."""
        env, ports, places = self._environ, self.ports, self.places
        makers: list[Callable[[], Program]] = []
        if self.elsewhere.kafka is None:
            listen = (ports.kafka, ports.kafka_controller)
            makers.append(partial(kafka.program, places.kafka, *listen, env, self._log))
        if self.elsewhere.postgres is None:
            where = (places.postgres, ports.postgres)
            makers.append(partial(postgres.program, *where, self.secrets, env))
        if self.elsewhere.redis is None:
            makers.append(partial(valkey.program, places.valkey, ports.valkey, env))
        if self.elsewhere.smtp is None:
            makers.append(partial(mailbox.program, places.mailbox, ports, self.secrets, env))
        for name in self.elsewhere.variables():
            self._log(f"  {name} is set: that server is used, none is started")
        begun = time.monotonic()
        with ThreadPoolExecutor(max_workers=len(makers) + 1) as pool:
            futures = [pool.submit(self._start_server, make, begun) for make in makers]
            if self.elsewhere.postgres is not None:
                futures.append(pool.submit(self._provide_databases))
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self._cancelled.set()
                raise

    def _start_server(self, make: Callable[[], Program], begun: float) -> None:
        child = self._add(make())
        if self._cancelled.is_set():
            return
        child.launch()
        self._wait([child], begun)
        if child.name == "postgres" and not self._cancelled.is_set():
            self._provide_databases()

    def _provide_databases(self) -> None:
        postgres.provide_databases(self.administrator_url(), self.secrets)

    def _start_services(self) -> None:
        begun = time.monotonic()
        started = [self._add(program) for program in self._service_programs()]
        env = {**self._environ, **self.environment()}
        proxies = trusted_proxies(self._environ)
        front = gateway.program(self.places.gateway, self.ports, env, proxies)
        started.append(self._add(front))
        for child in started:
            child.launch()
        self._wait(started, begun)

    def _service_programs(self) -> list[Program]:
        env = {**self._environ, **self.environment()}
        programs = []
        for service in SERVICES:
            api, worker = self.ports.api(service), self.ports.worker(service)
            for kind, port in (("api", api), ("worker", worker)):
                ready = f"http://{HOST}:{port}/readyz"
                name = f"{service}-{kind}"
                programs.append(
                    Program(
                        name=name,
                        argv=[self._einlass(), service, kind, "--host", HOST, "--port", str(port)],
                        env={**env, "EINLASS_INSTANCE_ID": name},
                        ready=partial(gateway.answers, ready),
                    )
                )
        return programs

    def _provide_operator(self) -> None:
        if self.operator is not None:
            return
        command = ["operator", "create", OPERATOR, "--role", "admin", "--json"]
        output = self._run_once("operator", command)
        found = json.loads(output)
        operator = secret.Operator(
            name=found["name"],
            role=found["role"],
            password=found["password"],
            token=found["token"],
        )
        self._secrets = secret.with_operator(self.places.secrets, self.secrets, operator)

    def _load_demo(self) -> None:
        if self.operator is None:
            raise StackError("The demo programme needs an operator's token, and there is none.")
        begun = time.monotonic()
        base = f"http://{HOST}:{self.ports.gateway}"
        if programme.load(base, self.operator.token, self._log):
            self._log(f"  demo programme loaded after {time.monotonic() - begun:.1f} s")

    def _run_once(self, name: str, arguments: Sequence[str]) -> str:
        """Run one of ``einlass``'s commands to its end and return what it printed."""
        begun = time.monotonic()
        log = self.places.logs / f"{name}.log"
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with log.open("ab") as errors:
            try:
                done = subprocess.run(
                    [self._einlass(), *arguments],
                    env={**self._environ, **self.environment()},
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    timeout=_ONE_SHOT_TIMEOUT,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                message = f"was not done after {_ONE_SHOT_TIMEOUT:.0f} s"
                raise StackError(failure(name, message, log)) from None
        if done.returncode != 0:
            raise StackError(failure(name, f"ended with {done.returncode}", log))
        self._log(f"  {name} done after {time.monotonic() - begun:.1f} s")
        return done.stdout.decode()

    def _wait(self, children: Sequence[Child], begun: float) -> None:
        wait_ready(
            children,
            lambda child: self._log(f"  {child.name} ready after {time.monotonic() - begun:.1f} s"),
            self._cancelled.is_set,
        )

    def _add(self, program: Program) -> Child:
        child = Child(program, self.places.logs / f"{program.name}.log", ROOT, self._remember)
        self.children[program.name] = child
        return child

    def _remember(self, entry: record.Entry) -> None:
        with self._recording:
            if self._run is not None:
                self._run = self._run.with_child(entry)
                record.write(self.places.record, self._run)

    def _end_leftovers(self) -> bool:
        """End what a killed run left; whether there was one, whoever ended its children."""
        run = record.read(self.places.record)
        if run is None:
            return False
        ended = record.end(run.children)
        if ended:
            self._log(f"Ended what an earlier run left: {', '.join(ended)}.")
        self.places.record.unlink(missing_ok=True)
        return True

    def _start_guard(self) -> None:
        command = [sys.executable, "-m", "deploy.local.guard", str(self.places.record)]
        self._guard = subprocess.Popen(
            [*command, str(os.getpid())],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _einlass(self) -> str:
        return str(Path(sysconfig.get_path("scripts")) / "einlass")


def _runs() -> bool:
    """Ready as soon as it runs."""
    return True
