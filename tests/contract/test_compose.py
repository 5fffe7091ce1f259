"""docker-compose.yml follows Compose's schema, asks for every secret, and starts what `make up`
starts, from the same settings."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pydantic import AliasChoices

from deploy.local import Stack
from deploy.local.plan import ROOT, SERVICES
from deploy.local.servers import gateway, jars, kafka, postgres, valkey
from services.kit.server import DEADLINE_SECONDS
from services.kit.settings import Settings
from services.notifications.settings import NotificationsSettings
from services.registration.settings import RegistrationSettings
from services.waitlist.settings import WaitlistSettings
from tests.support.compose import DOCKER, FILE, MissingVariable, interpolate, load, read_env

SETTINGS: Final[Mapping[str, type[Settings]]] = {
    "registration": RegistrationSettings,
    "waitlist": WaitlistSettings,
    "notifications": NotificationsSettings,
}
OVERRIDES: Final = tuple(sorted(DOCKER.glob("*.yml")))
PROCESSES: Final = tuple(f"{service}-{kind}" for service in SERVICES for kind in ("api", "worker"))
SERVERS: Final = ("postgres", "valkey", "kafka")
SECRET: Final = re.compile(r"KEY|PASSWORD|SECRET|TOKEN")
VARIABLE: Final = re.compile(r"\$\{?([A-Z][A-Z0-9_]*)(:?[-?+]?)")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `deploy/docker/init-env` writes."""
    path = tmp_path_factory.mktemp("env") / ".env"
    subprocess.run([DOCKER / "init-env", path], check=True, capture_output=True)
    return read_env(path)


@pytest.fixture(scope="module")
def compose(secrets: dict[str, str]) -> dict[str, Any]:
    """The file as Compose reads it after `deploy/docker/init-env`."""
    return load(environ=secrets)


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its services, by name."""
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def environment(service: Mapping[str, Any]) -> dict[str, str]:
    """The variables that are set in a container; one without a value is not."""
    return {k: str(v) for k, v in service.get("environment", {}).items() if v is not None}


def variables(settings: type[Settings]) -> set[str]:
    """The names of the environment variables that these settings read."""
    names = set()
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias or ""]
        given = {c for c in choices if isinstance(c, str) and c.startswith("EINLASS_")}
        names |= given or {f"EINLASS_{name.upper()}"}
    return names


# --- The file itself ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [FILE, *OVERRIDES], ids=lambda path: path.name)
def test_it_follows_the_compose_schema(path: Path, tmp_path: Path) -> None:
    plain = tmp_path / "compose.json"
    plain.write_text(json.dumps(load(path)))
    checker = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    done = subprocess.run([*checker, plain], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", OVERRIDES, ids=lambda path: path.name)
def test_an_override_changes_only_what_is_there(path: Path) -> None:
    base, changed = load()["services"], load(path)["services"]
    assert changed.keys() <= base.keys()
    for name, service in changed.items():
        assert service.get("environment", {}).keys() <= base[name].get("environment", {}).keys()


def test_scaling_takes_the_instance_id_from_every_worker() -> None:
    changed = load(DOCKER / "scaled.yml")["services"]
    taken = {name: {"environment": {"EINLASS_INSTANCE_ID": None}} for name in PROCESSES}
    assert changed == {name: text for name, text in taken.items() if name.endswith("-worker")}


# --- Secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [FILE, *OVERRIDES], ids=lambda path: path.name)
def test_a_secret_has_no_default(path: Path) -> None:
    used = VARIABLE.findall(re.sub(r"(?m)^\s*#.*$", "", path.read_text()))
    assert {operator for name, operator in used if SECRET.search(name)} <= {":?"}


def test_nothing_starts_without_a_secret(secrets: dict[str, str]) -> None:
    named = {name for name, _ in VARIABLE.findall(FILE.read_text()) if SECRET.search(name)}
    assert secrets.keys() == named
    for name in secrets:
        with pytest.raises(MissingVariable, match=rf"{name}: run deploy/docker/init-env"):
            load(environ={**secrets, name: ""})


def test_no_secret_is_written_down(secrets: dict[str, str], services: dict[str, Any]) -> None:
    given = [pair for s in services.values() for pair in environment(s).items()]
    assert {value for name, value in given if SECRET.search(name)} == set(secrets.values())
    for name, value in given:
        if found := re.search(r"://[^/]*:([^/]*)@", value):
            assert found[1] in secrets.values(), name


def test_a_process_knows_only_its_own_database(services: dict[str, Any]) -> None:
    for name in PROCESSES:
        own = f"EINLASS_{name.partition('-')[0].upper()}_DATABASE_URL"
        assert [v for v in environment(services[name]) if v.endswith("_DATABASE_URL")] == [own]
        assert "EINLASS_POSTGRES_PASSWORD" not in environment(services[name])


# --- The same as without Docker -------------------------------------------------------------------


def test_the_processes_are_those_of_the_local_stack(
    services: dict[str, Any], tmp_path: Path
) -> None:
    programs = {p.name: p for p in Stack(tmp_path / "home", 8080, {}, print)._service_programs()}
    assert tuple(programs) == PROCESSES
    assert services.keys() == {*PROCESSES, *SERVERS, "migrate", "mailbox", "gateway"}
    assert services["migrate"]["command"] == ["migrate"]
    for name, program in programs.items():
        port = "8000" if name.endswith("-api") else "8100"
        local = [*program.argv[1:4], "0.0.0.0", program.argv[5], port]
        assert services[name]["command"] == local
        assert services[name]["healthcheck"]["test"] == ["CMD", "einlass-ready", port]


def test_every_process_gets_settings_that_it_accepts(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("migrate", *PROCESSES):
        given = environment(services[name])
        with monkeypatch.context() as patched:
            for variable in [v for v in os.environ if v.startswith("EINLASS_")]:
                patched.delenv(variable)
            for variable, value in given.items():
                patched.setenv(variable, value)
            for service in SERVICES if name == "migrate" else [name.partition("-")[0]]:
                settings: Any = SETTINGS[service]()
                login = f"einlass_{service}:{given_password(services, service)}"
                database = f"postgresql://{login}@postgres:5432/einlass_{service}"
                assert settings.database_url == database
                assert settings.redis_url == "redis://valkey:6379/0"
                assert settings.kafka_bootstrap == "kafka:9092"
                assert settings.public_url == "http://127.0.0.1:8080"
                # Told apart by its name, so that a restarted worker gets its partitions back.
                assert settings.instance_id == (name if name.endswith("-worker") else None)
                if isinstance(settings, NotificationsSettings) and name != "migrate":
                    assert (settings.smtp.host, settings.smtp.port) == ("mailbox", 1025)


def given_password(services: dict[str, Any], service: str) -> str:
    """The password with which PostgreSQL makes the service's role."""
    return environment(services["postgres"])[f"EINLASS_{service.upper()}_DB_PASSWORD"]


def test_every_setting_can_be_given_and_nothing_else(services: dict[str, Any]) -> None:
    known = set().union(*map(variables, SETTINGS.values()))
    given = {v for name in ("migrate", *PROCESSES) for v in services[name]["environment"]}
    assert given == known


def test_postgres_is_set_as_in_the_local_stack(services: dict[str, Any]) -> None:
    name, *options = services["postgres"]["command"]
    assert name == "postgres"
    given = dict(option.removeprefix("-c").split("=", 1) for option in options)
    # Where it listens is the image's own business; the rest holds in both.
    places = {"listen_addresses", "unix_socket_directories"}
    local = {k: v.strip() for k, v in postgres._SETTINGS.items() if k not in places}
    assert given == local


def test_postgres_makes_a_database_for_each_service(services: dict[str, Any]) -> None:
    script = (DOCKER / "databases.sh").read_text()
    made = re.findall(r'^provide (\w+) "\$\{(\w+):\?', script, re.MULTILINE)
    assert made == [(name, f"EINLASS_{name.upper()}_DB_PASSWORD") for name in SERVICES]
    assert {variable for _, variable in made} < environment(services["postgres"]).keys()


def test_kafka_is_set_as_in_the_local_stack(services: dict[str, Any]) -> None:
    given = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in environment(services["kafka"]).items()
        if name.startswith("KAFKA_")
    }
    assert "-Dlog4j2.configurationFile=/etc/kafka/log4j2.yaml" in given.pop("log4j.opts")
    assert f"-Xmx{kafka.HEAP_MEBIBYTES}m" in given.pop("heap.opts")
    lines = kafka._properties(Path("/var/lib/kafka/data"), 9092, 9093).splitlines()
    local = dict(line.split("=", 1) for line in lines)
    where = {"listeners", "advertised.listeners"}
    assert {k: v for k, v in given.items() if k not in where} == {
        k: v for k, v in local.items() if k not in where
    }
    assert services["kafka"]["image"] == f"apache/kafka:{jars.KAFKA}"
    logging = yaml.safe_load((DOCKER / "kafka-log4j2.yaml").read_text())
    assert logging == yaml.safe_load(kafka._LOGGING)


def test_valkey_is_set_as_in_the_local_stack(services: dict[str, Any], tmp_path: Path) -> None:
    def options(arguments: list[str]) -> dict[str, str]:
        return dict(zip(arguments[1::2], arguments[2::2], strict=True))

    local = options(list(valkey.program(tmp_path, 6379, {}).argv))
    # Where it listens and how it names itself are the container's own business.
    for name in ("--bind", "--port", "--dir", "--set-proc-title", "--daemonize"):
        del local[name]
    assert options(services["valkey"]["command"]) == local


def test_the_gateway_runs_the_same_routes_to_the_apis(services: dict[str, Any]) -> None:
    own = services["gateway"]
    mounted = [volume.split(":")[0] for volume in own["volumes"]]
    assert f"./{gateway.CADDYFILE.relative_to(ROOT)}" in mounted
    asked = set(re.findall(r"\{\$(\w+)", gateway.CADDYFILE.read_text()))
    assert asked == environment(own).keys()
    for service in SERVICES:
        address = environment(own)[f"EINLASS_{service.upper()}_UPSTREAMS"]
        host, port = address.split(":")
        assert services[host]["command"] == [service, "api", "--host", "0.0.0.0", "--port", port]
        assert set(services[host]["networks"]) & set(own["networks"]) == {"front"}


def test_the_apis_trust_the_gateway_and_the_proxy_before_it(secrets: dict[str, str]) -> None:
    before = {**secrets, "EINLASS_TRUSTED_PROXIES": "192.168.7.0/24"}
    for environ, further in ((secrets, ""), (before, ",192.168.7.0/24")):
        found = load(environ=environ)
        (network,) = found["networks"]["front"]["ipam"]["config"]
        for service in SERVICES:
            trusted = environment(found["services"][f"{service}-api"])["EINLASS_TRUSTED_PROXIES"]
            assert trusted == network["subnet"] + further


# --- Starting, ending, and who can reach whom -----------------------------------------------------


def test_health_is_checked_everywhere(services: dict[str, Any]) -> None:
    without = {name for name, service in services.items() if "healthcheck" not in service}
    assert without == {"migrate"}, "only what ends by itself has none"


def test_everything_starts_in_order(services: dict[str, Any]) -> None:
    healthy, done = (
        {"condition": "service_healthy"},
        {"condition": "service_completed_successfully"},
    )
    assert services["migrate"]["depends_on"] == {"postgres": healthy, "kafka": healthy}
    assert services["migrate"]["restart"] == "no"
    for name in PROCESSES:
        assert services[name]["depends_on"]["migrate"] == done
    for name in services.keys() - {"migrate"}:
        assert services[name]["restart"] == "unless-stopped"


def test_a_process_has_time_to_finish(services: dict[str, Any]) -> None:
    for name in PROCESSES:
        grace = services[name]["stop_grace_period"]
        assert int(grace.removesuffix("s")) > DEADLINE_SECONDS
        assert services[name]["init"] is True


def test_only_gateway_and_mailbox_can_be_reached_and_only_from_this_machine(
    services: dict[str, Any],
) -> None:
    published = {name: s["ports"] for name, s in services.items() if "ports" in s}
    assert published == {"gateway": ["127.0.0.1:8080:8080"], "mailbox": ["127.0.0.1:8081:8025"]}


def test_servers_are_reached_by_our_processes_alone(compose: dict[str, Any]) -> None:
    services, networks = compose["services"], compose["networks"]
    assert networks["data"]["internal"] is networks["front"]["internal"] is True
    members = {
        network: {name for name, s in services.items() if network in s["networks"]}
        for network in networks
    }
    apis = {f"{service}-api" for service in SERVICES}
    assert members == {
        "edge": {"gateway", "mailbox", "notifications-worker"},
        "front": {"gateway", *apis},
        "data": {*SERVERS, "migrate", *PROCESSES},
    }
    for name in SERVERS:
        assert services[name]["networks"] == ["data"]


def test_no_container_can_do_more_than_it_must(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & service.keys()
        assert not any("docker.sock" in volume for volume in service.get("volumes", []))
        # PostgreSQL's image starts as root, to give the data to its user, and goes on as that.
        if name != "postgres":
            assert service["cap_drop"] == ["ALL"]
        if name not in {"postgres", "kafka"}:
            assert service["read_only"] is True
    assert {n for n, s in services.items() if "cap_add" in s} == {"gateway"}
    for name in ("gateway", "mailbox", "valkey"):
        assert not services[name]["user"].startswith(("0", "root"))


def test_a_public_site_needs_its_address_and_a_real_mail_server(secrets: dict[str, str]) -> None:
    own = {
        "EINLASS_PUBLIC_URL": "https://events.example.org",
        "EINLASS_SMTP_URL": "smtps://mail.example.org",
        "EINLASS_MAIL_FROM": "events@example.org",
    }
    public = DOCKER / "public.yml"
    for name in own:
        with pytest.raises(MissingVariable, match=name):
            load(public, {**secrets, **own, name: ""})
    services = load(public, {**secrets, **own})["services"]
    address = environment(services["gateway"])["EINLASS_GATEWAY_ADDRESS"]
    assert address == own.pop("EINLASS_PUBLIC_URL")
    assert services["gateway"]["ports"] == ["80:80", "443:443", "443:443/udp"]
    assert services["mailbox"] == {"profiles": ["mailbox"]}, "started only where asked for"
    assert environment(services["notifications-worker"]) == own


# --- Images ---------------------------------------------------------------------------------------


def test_images_are_of_a_version(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"[a-z/]+:v?\d+(\.\d+)*(-[a-z]+)?", service["image"]), name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = {name: s for name, s in services.items() if name in {"migrate", *PROCESSES}}
    assert {s["image"] for s in own.values()} == {f"einlass:{project['version']}"}
    # Somebody else's image of that name must never be fetched instead of ours.
    assert {s["pull_policy"] for s in own.values()} == {"never"}
    assert [name for name, s in services.items() if "build" in s] == ["migrate"]


def test_mounted_files_are_there(services: dict[str, Any]) -> None:
    for service in services.values():
        for volume in service.get("volumes", []):
            source, _target, *mode = volume.split(":")
            if source.startswith("./"):
                assert (ROOT / source).is_file(), source
                assert mode == ["ro,z"]


def test_the_interpolation_of_these_tests_is_that_of_compose() -> None:
    environ = {"A": "1", "EMPTY": ""}
    for text, filled in {
        "$A-${A}$$": "1-1$",
        "${EMPTY:-${B:-x${A}}}": "x1",
        "${A:+,${A}}${EMPTY:+,}": ",1",
        "${A:?gone}": "1",
    }.items():
        assert interpolate(text, environ) == filled
    with pytest.raises(MissingVariable, match="EMPTY: gone"):
        interpolate("${EMPTY:?gone}", environ)
