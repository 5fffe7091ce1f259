"""Ports and servers of a stack follow from its first port and its environment alone."""

from pathlib import Path

import pytest

from deploy.local import plan
from deploy.local.plan import SERVICES, Elsewhere, Ports, StackError, needed_ports

NOTHING = Elsewhere.of({})


def test_every_port_is_used_once_and_lies_in_reach_of_the_first() -> None:
    wanted = [port for port, _, _ in needed_ports(Ports(8080), NOTHING, services=True)]

    assert len(wanted) == len(set(wanted)) == 14
    assert min(wanted) == 8080
    assert max(wanted) <= 8080 + 23


def test_stacks_thirty_ports_apart_do_not_meet() -> None:
    first = {port for port, _, _ in needed_ports(Ports(8080), NOTHING, services=True)}
    second = {port for port, _, _ in needed_ports(Ports(8110), NOTHING, services=True)}

    assert not first & second


def test_a_server_from_elsewhere_needs_no_port_of_ours() -> None:
    elsewhere = Elsewhere.of(
        {
            "EINLASS_POSTGRES_URL": "postgresql://admin@db/postgres",
            "EINLASS_REDIS_URL": "redis://cache:6379/0",
            "EINLASS_KAFKA_BOOTSTRAP": "kafka:9092",
            "EINLASS_SMTP_URL": "smtp://mail:25",
        }
    )

    wanted = [what for _, what, _ in needed_ports(Ports(8080), elsewhere, services=True)]

    expected = ["the gateway"]
    for service in SERVICES:
        expected += [f"the {service} api", f"the {service} worker"]
    assert wanted == expected


def test_an_empty_variable_means_a_server_of_our_own() -> None:
    elsewhere = Elsewhere.of({"EINLASS_POSTGRES_URL": "", "EINLASS_REDIS_URL": "redis://cache"})

    assert elsewhere.postgres is None
    assert elsewhere.variables() == ["EINLASS_REDIS_URL"]


def test_a_busy_port_is_named_with_what_wants_it_and_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ports = Ports(8080)
    monkeypatch.setattr(plan, "_is_free", lambda port: port not in (ports.postgres, 8080))
    monkeypatch.setattr(plan, "_holder", lambda _port: " (held by somebody, process 7)")

    with pytest.raises(StackError) as raised:
        plan.check_ports(ports, NOTHING, services=True)

    message = str(raised.value)
    assert "Port 8080 is busy (held by somebody, process 7); the gateway needs it." in message
    assert "Port 8084 is busy" in message
    assert "EINLASS_POSTGRES_URL" in message
    assert "EINLASS_PORT" in message
    assert "Kafka" not in message


def test_free_ports_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_is_free", lambda _port: True)

    plan.check_ports(Ports(8080), NOTHING, services=True)


def test_a_port_that_gets_free_in_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, False])
    monkeypatch.setattr(plan, "_is_free", lambda _port: next(answers, True))

    plan.check_ports(Ports(8080), NOTHING, services=True, patience=10)


@pytest.mark.parametrize("port", [0, -1, 65535, 70000])
def test_a_first_port_without_room_after_it_is_refused(port: int) -> None:
    with pytest.raises(StackError, match="EINLASS_PORT"):
        Ports(port)


def test_a_port_that_is_no_number_is_refused() -> None:
    with pytest.raises(StackError, match="'eighty'"):
        plan.port_from({"EINLASS_PORT": "eighty"})


def test_the_home_is_beside_the_makefile_unless_set() -> None:
    assert plan.home_from({}) == plan.ROOT / ".local"
    assert plan.home_from({"EINLASS_HOME": "/var/tmp/other"}) == Path("/var/tmp/other").resolve()
    assert (plan.ROOT / "Makefile").is_file()
