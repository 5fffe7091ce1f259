"""The stack on one machine, from Python packages alone: ``python -m deploy.local up``.

``Stack``, ``Child`` and ``StackError`` are imported on first use: the guard and the mailbox are
processes of this package too, and run beside every stack without needing any of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy.local.child import Child
    from deploy.local.plan import StackError
    from deploy.local.stack import Stack

__all__ = ["Child", "Stack", "StackError"]

_MODULES = {"Child": "child", "Stack": "stack", "StackError": "plan"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
