"""The contracts as documents, as they are served and given away.

Invariant: nothing in this folder is written by hand. `einlass contracts` makes it from the code,
and `einlass contracts --check` fails where it is not what the code would make.

    openapi.json                 the JSON API of all services (OpenAPI 3.1)
    asyncapi.json                the topics and their messages (AsyncAPI 3.0)
    schemas/<message>.json       one message (JSON Schema 2020-12)
    baseline.json                the messages as of the last version: what others rely on
"""

from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
OPENAPI: Final = "openapi.json"
ASYNCAPI: Final = "asyncapi.json"
SCHEMAS: Final = "schemas"
BASELINE: Final = "baseline.json"


def read(name: str) -> bytes:
    """A document, by its path in this folder. Raises FileNotFoundError."""
    return (HERE / name).read_bytes()


def schemas() -> list[str]:
    """The names of the messages that have a JSON Schema, in the order of the alphabet."""
    return sorted(path.stem for path in (HERE / SCHEMAS).glob("*.json"))
