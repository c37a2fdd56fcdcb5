"""Many small units of one kind become one: what is asked for while one waits for its turn goes along with it.

Each statement that the writer runs is a moment at which its thread may lose the interpreter to the event loop; a
hundred rows in one statement cost hardly more than one row in each of a hundred. All of a gathering are kept, or none.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import anyio

from bcbridge.errors import StoreBusy
from bcbridge.store.db import WAITING_LIMIT, Store, Unit

A = TypeVar("A")
T = TypeVar("T")

MOST = 200
"""Items in one unit at most: it holds the writer for a few milliseconds."""

Waiting = tuple[A, "asyncio.Future[T]"]


class Gathering(Generic[A, T]):
    """``unit`` is given what was gathered and returns one result for each, in the same order."""

    def __init__(
        self, store: Store, unit: Callable[[sqlite3.Connection, Sequence[A]], Sequence[T]], *, intake: bool = False
    ) -> None:
        self._store = store
        self._unit = unit
        self._intake = intake
        self._waiting: deque[Waiting[A, T]] = deque()
        self._asked = False

    async def do(self, item: A) -> T:
        """Return its result after the COMMIT that holds it.

        Raises StoreBusy when the store could not keep it, or whatever the unit raised for this item alone.
        """
        if len(self._waiting) >= WAITING_LIMIT:
            raise StoreBusy("too much is waiting for the store")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._ask()
        with anyio.CancelScope(shield=True):
            await future
        return future.result()

    def _ask(self) -> None:
        """Have a unit wait for its turn, unless one does already."""
        if self._asked or not self._waiting:
            return
        self._asked = True
        batch: list[Waiting[A, T]] = []
        self._submit(batch, partial(self._fill, batch))

    def _submit(self, batch: list[Waiting[A, T]], unit: Unit[Sequence[T]]) -> None:
        try:
            asked = self._store.submit(unit, intake=self._intake)
        except StoreBusy as fault:
            self._refuse(batch or self._drained(), fault)
        else:
            asked.add_done_callback(partial(self._answer, batch))

    def _fill(self, batch: list[Waiting[A, T]], tx: sqlite3.Connection) -> Sequence[T]:
        """In the writer's thread. Whoever comes after the first line asks anew, and may find that it went along."""
        self._asked = False
        while self._waiting and len(batch) < MOST:
            batch.append(self._waiting.popleft())
        return self._of(batch, tx) if batch else ()

    def _of(self, batch: Sequence[Waiting[A, T]], tx: sqlite3.Connection) -> Sequence[T]:
        return self._unit(tx, [item for item, _ in batch])

    def _answer(self, batch: list[Waiting[A, T]], ended: asyncio.Future[Sequence[T]]) -> None:
        fault = ended.exception()
        if fault is None:
            for (_, future), result in zip(batch, ended.result(), strict=True):
                if not future.done():
                    future.set_result(result)
        elif isinstance(fault, StoreBusy):
            self._refuse(batch or self._drained(), fault)  # without a batch it never had its turn
        elif len(batch) == 1:
            self._tell(batch[0][1], fault)
        else:
            self._each_alone(batch)
        self._ask()

    def _each_alone(self, batch: Sequence[Waiting[A, T]]) -> None:
        """One of them cannot be kept: its neighbours are."""
        for one in batch:
            self._submit([one], partial(self._of, [one]))

    def _drained(self) -> list[Waiting[A, T]]:
        self._asked = False
        drained = list(self._waiting)
        self._waiting.clear()
        return drained

    def _refuse(self, batch: Sequence[Waiting[A, T]], fault: StoreBusy) -> None:
        for _, future in batch:
            self._tell(future, StoreBusy(str(fault)))

    @staticmethod
    def _tell(future: asyncio.Future[T], fault: BaseException) -> None:
        if not future.done():
            future.set_exception(fault)
