"""Something a letter is sent through."""

from __future__ import annotations

from typing import Protocol

from bcbridge.alerts.letter import Letter


class Channel(Protocol):
    """One box's way out. It keeps nothing: what is not sent stays in the store."""

    async def send(self, letter: Letter) -> str:
        """Returns when the other side has it: whom it did not reach all the same; mostly empty.

        Raises Retry (later, ``after`` that long where it says), OpenCircuit (the destination itself refuses: gone, not
        let in), Reject (this letter is refused, others may pass), TimeoutError.
        """
        ...

    async def aclose(self) -> None: ...
