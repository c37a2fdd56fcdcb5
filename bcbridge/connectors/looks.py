"""Looking a system over, for ``doctor``: each look on its own, until two in a row hear nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager

from bcbridge.connectors.base import Finding, Severity
from bcbridge.errors import BridgeError, OpenCircuit, Reject, Retry

Look = Callable[[], Awaitable[list[Finding]]]
Blind = Callable[[BridgeError], Finding]
"""What it means that a look saw nothing."""
SILENT = 2
"""So many looks in a row without an answer, and silence it is: each costs as long as a call may take."""
NOT_ASKED = Finding(Severity.WARNING, "connection", "nothing else was looked at: nobody answered", "try again later")


Agreed = Callable[[str], AbstractContextManager[None]]
"""A room's guard around taking an answer apart, by what was asked for."""


def by_topic(looks: Mapping[str, Look], agreed: Agreed) -> Iterator[tuple[Look, Blind]]:
    """Looks of a room that need no more words than their topic."""
    return ((agreeing(topic, look, agreed), _blind(topic)) for topic, look in looks.items())


def agreeing(topic: str, look: Look, agreed: Agreed) -> Look:
    """The look with the room's guard around it: an answer that is built otherwise is a finding like any."""

    async def looking() -> list[Finding]:
        with agreed(topic):
            return await look()

    return looking


def _blind(topic: str) -> Blind:
    return lambda fault: Finding(Severity.ERROR, topic, f"could not be looked at: {fault}")


async def looked_over(looks: Iterable[tuple[Look, Blind]]) -> list[Finding]:
    """Every finding. What one look cannot see is a finding, not an end."""
    found: list[Finding] = []
    silent = 0
    for look, blind in looks:
        if silent == SILENT:
            return [*found, NOT_ASKED]
        try:
            found += await look()
            silent = 0
        except (OpenCircuit, Reject, Retry) as fault:
            found.append(blind(fault))
            silent = silent + 1 if isinstance(fault, Retry) else 0
    return found
