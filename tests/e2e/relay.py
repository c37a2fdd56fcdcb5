"""A wire between the bridge and a system that can be cut in the two ways wires are cut: with and without a word."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

ACCEPT_SECONDS = 0.1
CHUNK = 65_536


@dataclass
class Relay:
    """Carries bytes to ``port`` of this machine. ``own`` is where it listens."""

    port: int
    own: int = 0
    _listener: socket.socket | None = None
    _pairs: list[_Pair] = field(default_factory=list)
    _frozen: list[_Pair] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)
    _closed: Event = field(default_factory=Event)

    def up(self) -> None:
        """Whoever connects is put through (again, on the same port)."""
        self._listener = socket.create_server(("127.0.0.1", self.own), reuse_port=False)
        self._listener.settimeout(ACCEPT_SECONDS)
        self.own = self._listener.getsockname()[1]
        Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        """Nobody listens any more, and every line is cut: connection refused."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for pair in self._take():
            pair.cut()

    def freeze(self) -> int:
        """Every line that stands is dead without a word, as when a cable is pulled; new ones are put through.

        Returns how many there were.
        """
        frozen = self._take()
        for pair in frozen:
            pair.frozen.set()
        self._frozen += frozen
        return len(frozen)

    def close(self) -> None:
        self._closed.set()
        self.down()
        for pair in self._frozen:
            pair.cut()

    def _take(self) -> list[_Pair]:
        with self._lock:
            taken, self._pairs = [pair for pair in self._pairs if not pair.ended.is_set()], []
        return taken

    def _accept(self, listener: socket.socket) -> None:
        while not self._closed.is_set():
            try:
                here, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            try:
                there = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            except OSError:
                here.close()
                continue
            pair = _Pair(here, there)
            with self._lock:
                self._pairs.append(pair)
            pair.start()


@dataclass
class _Pair:
    here: socket.socket
    there: socket.socket
    frozen: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)

    def start(self) -> None:
        for one, other in ((self.here, self.there), (self.there, self.here)):
            one.settimeout(None)
            Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        """A frozen line swallows what comes, and never says that it is over."""
        with suppress(OSError):
            while data := one.recv(CHUNK):
                if not self.frozen.is_set():
                    other.sendall(data)
        if not self.frozen.is_set():
            self.cut()

    def cut(self) -> None:
        self.ended.set()
        for one in (self.here, self.there):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def relay(port: int) -> Iterator[Relay]:
    made = Relay(port)
    made.up()
    try:
        yield made
    finally:
        made.close()
