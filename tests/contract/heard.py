"""What was said aloud during a claim: log lines, and the words of every error and refusal."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import structlog

from bcbridge.errors import BridgeError
from tests.contract.rooms import KITS

PATIENCE_SECONDS = 30
"""No call of a claim takes longer; rooms under claim have deadlines of a second."""


def _unspeakable() -> tuple[str, ...]:
    """Secrets and customers' words of every kit."""
    secrets = [value for kit in KITS.values() for value in (*kit.secrets.values(), *kit.wrong_secrets.values())]
    return (*secrets, *(word for kit in KITS.values() for word in kit.private))


@dataclass
class Heard:
    lines: list[str] = field(default_factory=list)

    def line(self, logger: object, method: str, event: MutableMapping[str, Any]) -> NoReturn:
        """A structlog processor: the line is kept and goes no further."""
        self.lines.append(repr(dict(event)))
        raise structlog.DropEvent

    async def ending(self, call: Callable[[], Awaitable[object]]) -> object:
        """What came of a call: its value, or the decision it raised. Any other exception is a broken promise."""
        try:
            value = await call()
        except BridgeError as decision:
            self.lines += traceback.format_exception(decision)
            return decision
        self.lines.append(repr(value))
        return value

    def indiscretions(self) -> list[str]:
        return [f"{word!r} in {line}" for line in self.lines for word in _unspeakable() if word in line]
