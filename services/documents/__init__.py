"""The contracts as documents: OpenAPI, AsyncAPI and JSON Schema, made from the code.

Invariant: the documents say what the code does and nothing else: routes come from the three
applications, messages from `services.contracts`, error codes from the classes of the errors.
Made twice, they are the same to the byte. A change of a message that would break those who read
it is refused (docs/api.md).

This is the only package beside `services.cli` that may import all services.
"""


class Unclear(Exception):
    """The code says two things at once, or nothing, where a document needs one."""
