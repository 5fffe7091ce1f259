"""Apache Kafka's files, fetched once per user and checked against ``kafka.lock``.

The lock names each jar of one release of Kafka with its SHA-256, so that a first start anywhere
runs exactly these files. A directory in the cache is complete or absent, never half there.

``python -m deploy.local.servers.jars`` writes the lock anew, for a change of one of the two
versions below.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import jgo
import platformdirs
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext

from deploy.local.plan import StackError

KAFKA: Final = "4.1.0"
# What Kafka logs through; its own distribution adds this jar too, but not its Maven artefact.
LOG4J: Final = "2.24.3"
LOCK: Final = Path(__file__).parents[1] / "kafka.lock"

_AT_ONCE: Final = 8


def classpath(log: Callable[[str], None]) -> list[Path]:
    """The jars, in a fixed order; fetched where they are not in the user's cache yet.

    Raises:
        StackError: one cannot be fetched, or is not what the lock says.
    """
    lock = LOCK.read_bytes()
    digest = hashlib.sha256(lock).hexdigest()[:12]
    cache: Path = platformdirs.user_cache_path("einlass") / f"kafka-{KAFKA}-{digest}"
    if not cache.is_dir():
        log(f"Fetching Apache Kafka {KAFKA} (once, about 45 MB) ...")
        _fetch(cache)
    return sorted(cache.glob("*.jar"))


def _fetch(cache: Path) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    settings = GlobalSettings.load()
    context = MavenContext(
        repo_cache=settings.repo_cache,
        remote_repos={"central": MAVEN_CENTRAL_URL, **settings.repositories},
    )
    with tempfile.TemporaryDirectory(dir=cache.parent) as work:
        new = Path(work) / "jars"
        new.mkdir()

        def fetch(item: tuple[str, str, str, str]) -> None:
            group, artifact, version, sha256 = item
            source: Path = context.project(group, artifact).at_version(version).artifact().resolve()
            if hashlib.sha256(source.read_bytes()).hexdigest() != sha256:
                raise StackError(f"{source} is not the file that {LOCK.name} names; remove it.")
            shutil.copyfile(source, new / f"{group}.{artifact}-{version}.jar")

        try:
            with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
                list(pool.map(fetch, _locked()))
        except (OSError, RuntimeError) as error:
            raise StackError(f"Apache Kafka could not be fetched: {error}") from error
        _put(new, cache)


def _put(new: Path, cache: Path) -> None:
    try:
        new.rename(cache)
    except OSError:
        # Another stack's first start was quicker; what it put there is the same.
        if not cache.is_dir():
            raise


def _locked() -> Iterator[tuple[str, str, str, str]]:
    for line in LOCK.read_text().splitlines():
        coordinate, sha256 = line.split()
        group, artifact, version = coordinate.split(":")
        yield group, artifact, version, sha256


def write_lock() -> None:
    """Resolve Kafka's dependencies anew and lock what was found."""
    found = jgo.resolve(f"org.apache.kafka:kafka_2.13:{KAFKA}")
    # By itself, since its parent's version rules would move Kafka's own dependencies.
    binding = jgo.resolve(f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}")
    found += [artifact for artifact in binding if artifact.artifactId == "log4j-slf4j-impl"]
    lines = (
        f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} "
        f"{hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()}\n"
        for artifact in found
    )
    LOCK.write_text("".join(sorted(lines)))


if __name__ == "__main__":
    write_lock()
