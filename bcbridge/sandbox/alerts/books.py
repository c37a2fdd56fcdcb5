"""What arrived, by whichever way, in the order of arrival."""

from __future__ import annotations

from typing import Any

from bcbridge.sandbox.base import World, dump

SCHEMA = "CREATE TABLE messages (id INTEGER PRIMARY KEY, message TEXT NOT NULL);\n"

NOUNS = {"messages": "SELECT id, message FROM messages WHERE id > :after ORDER BY id LIMIT :limit"}


async def keep(
    world: World,
    via: str,
    *,
    to: list[str],
    text: str,
    subject: str = "",
    html: str = "",
    blocks: list[Any] | None = None,
    headers: dict[str, str] | None = None,
) -> None:
    """One message more; on disk when this returns."""
    message = {
        "via": via,
        "at": world.clock.now().isoformat(),
        "to": to,
        "subject": subject,
        "text": text,
        "html": html,
        "blocks": blocks or [],
        "headers": headers or {},
    }
    written = dump(message).decode()
    await world.books.write(lambda c: c.execute("INSERT INTO messages (message) VALUES (?)", (written,)))
