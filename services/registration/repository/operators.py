"""Operators of the installation."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.operators import Operator, Role
from services.registration.models import operator as table


async def put(
    conn: AsyncConnection, name: str, role: Role, password_hash: str, token_digest: bytes
) -> None:
    """Makes an operator, or gives one of this name a new role, password and token."""
    values = {"role": role, "password_hash": password_hash, "token_digest": token_digest}
    await conn.execute(
        insert(table)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=["name"], set_=values)
    )


async def by_token(conn: AsyncConnection, token_digest: bytes) -> Operator | None:
    """The operator with this token."""
    rows = await conn.execute(
        sa.select(table.c.name, table.c.role).where(table.c.token_digest == token_digest)
    )
    row = rows.one_or_none()
    return Operator(row.name, row.role) if row else None


async def by_name(conn: AsyncConnection, name: str) -> tuple[Operator, str] | None:
    """The operator of this name, and the hash of the password."""
    rows = await conn.execute(
        sa.select(table.c.name, table.c.role, table.c.password_hash).where(table.c.name == name)
    )
    row = rows.one_or_none()
    return (Operator(row.name, row.role), row.password_hash) if row else None


async def everyone(conn: AsyncConnection) -> Sequence[Operator]:
    """All operators by name."""
    rows = await conn.execute(sa.select(table.c.name, table.c.role).order_by(table.c.name))
    return [Operator(row.name, row.role) for row in rows]


async def remove(conn: AsyncConnection, name: str) -> bool:
    """Removes an operator; False where there is none of this name."""
    return (await conn.execute(sa.delete(table).where(table.c.name == name))).rowcount == 1
