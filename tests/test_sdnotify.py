"""What systemd hears, on real datagram sockets: of a real process, and of a heart whose store or loop is held up."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from bcbridge.errors import StoreBusy
from bcbridge.house.sdnotify import Systemd, keep_alive
from bcbridge.store.db import Store
from tests.e2e.world import ROOT, environment, free_ports

HEARD_WITHIN_SECONDS = 30.0
SOON_SECONDS = 0.5
WATCHDOG_USEC = "400000"
BEATS = timedelta(milliseconds=40)

CONFIG = """
[web]
port = {port}
[mappings]
folder = "{mappings}"
"""


class Ear:
    """The other end: systemd's socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def hear(self, within: float = HEARD_WITHIN_SECONDS) -> list[str]:
        """The lines of the next message; raises TimeoutError."""
        self._socket.settimeout(within)
        return self._socket.recv(65536).decode().split("\n")

    def hear_until(self, word: str) -> list[str]:
        """Every line up to the message that holds ``word``."""
        lines: list[str] = []
        while word not in lines:
            lines += self.hear()
        return lines

    def forget(self) -> None:
        """What was said so far."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(65536):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def ear(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ear]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@bcbridge-test-{uuid4()}"
    with closing(Ear(address)) as opened:
        yield opened


@contextmanager
def bridge(folder: Path, ear: Ear) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """``bcbridge run`` with no connection at all, as systemd starts it; and its port."""
    (port,) = free_ports(1)
    config = folder / "config.toml"
    config.write_text(CONFIG.format(port=port, mappings=ROOT / "mappings"))
    command = [sys.executable, "-m", "bcbridge.cli", "run", "--no-live", "--config", str(config)]
    told = {**environment(), "NOTIFY_SOCKET": ear.address, "WATCHDOG_USEC": WATCHDOG_USEC}
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=told, stdout=out, stderr=out)
    try:
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def test_a_process_says_ready_when_its_doors_are_open_then_lives_then_stops(tmp_path: Path, ear: Ear) -> None:
    with bridge(tmp_path, ear) as (process, port):
        before = ear.hear_until("READY=1")
        assert before[0] == "STATUS=opening the store"
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            assert (tmp_path / "var/bcbridge.db").exists()
            assert (tmp_path / "var/bcbridge.sock").exists()
        for _ in range(3):
            ear.hear_until("WATCHDOG=1")
        status = next(line for line in ear.hear_until("WATCHDOG=1") if line.startswith("STATUS="))
        assert status == "STATUS=0 booked, 0 blocked, 0 not yet, 0 in doubt, 0 waiting"
        process.send_signal(signal.SIGTERM)
        ear.hear_until("STOPPING=1")
        assert process.wait(30) == 0


def test_a_process_that_stands_still_is_silent(tmp_path: Path, ear: Ear) -> None:
    with bridge(tmp_path, ear) as (process, _):
        ear.hear_until("WATCHDOG=1")
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        ear.forget()
        with pytest.raises(TimeoutError):
            ear.hear(within=SOON_SECONDS)
        process.send_signal(signal.SIGCONT)
        ear.hear_until("WATCHDOG=1")


def test_a_config_that_cannot_be_used_is_never_ready_and_ends_with_2(tmp_path: Path, ear: Ear) -> None:
    (tmp_path / "config.toml").write_text("[stor]\n")
    command = [sys.executable, "-m", "bcbridge.cli", "run", "--config", str(tmp_path / "config.toml")]
    done = subprocess.run(command, env={**environment(), "NOTIFY_SOCKET": ear.address}, timeout=60, check=False)
    assert done.returncode == 2
    with pytest.raises(TimeoutError):
        ear.hear(within=0.01)


# -- the heart -----------------------------------------------------------------------------------------------------


async def all_well() -> str:
    return "all\nis well"


@asynccontextmanager
async def heart(folder: Path) -> AsyncIterator[tuple[Ear, Store]]:
    """A heart that beats every 20 ms over a real store; left when it has been heard."""
    with closing(Ear(f"@bcbridge-test-{uuid4()}")) as ear, closing(Systemd(ear.address, BEATS)) as systemd:
        async with Store(folder / "b.db").opened() as store, anyio.create_task_group() as tasks:
            tasks.start_soon(keep_alive, systemd, store, all_well)
            assert "STATUS=all is well" in await heard(ear, "STATUS=all is well")
            yield ear, store
            tasks.cancel_scope.cancel()


async def heard(ear: Ear, word: str) -> list[str]:
    return await anyio.to_thread.run_sync(ear.hear_until, word)


def silence(ear: Ear) -> None:
    """Returns when nothing more comes; for ever otherwise, and the test's time-out ends it."""
    while True:
        try:
            ear.hear(within=SOON_SECONDS)
        except TimeoutError:
            return


async def test_a_store_that_hangs_sends_no_sign_of_life(tmp_path: Path) -> None:
    """The loop turns; the writer's thread is held, as by a disk that does not answer."""
    held = threading.Event()
    async with heart(tmp_path) as (ear, store), anyio.create_task_group() as tasks:
        tasks.start_soon(store.write, lambda tx: held.wait())
        await anyio.to_thread.run_sync(silence, ear)
        held.set()
        await heard(ear, "WATCHDOG=1")


async def test_a_full_disk_is_no_reason_to_start_again(tmp_path: Path) -> None:
    def too_much(tx: sqlite3.Connection) -> None:
        tx.execute("PRAGMA max_page_count = 1")  # as it is already: nothing may be added
        tx.execute("INSERT INTO meta VALUES ('big', zeroblob(1000000))")

    async with heart(tmp_path) as (ear, store):
        for _ in range(3):
            with pytest.raises(StoreBusy):
                await store.write(too_much)
            await heard(ear, "WATCHDOG=1")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_writer_that_has_ended_sends_no_sign_of_life(tmp_path: Path) -> None:
    def broken(tx: sqlite3.Connection) -> None:
        raise SystemExit("a fault that no unit survives")

    async with heart(tmp_path) as (ear, store):
        with pytest.raises(StoreBusy):
            await store.write(broken)
        await anyio.to_thread.run_sync(silence, ear)


# -- the environment -----------------------------------------------------------------------------------------------


def test_nobody_listening_is_nothing_told() -> None:
    systemd = Systemd.of({}, pid=1)
    systemd.tell("READY=1")
    assert not systemd.listens


def test_a_socket_that_went_away_ends_nothing(tmp_path: Path) -> None:
    with closing(Systemd(str(tmp_path / "gone"))) as systemd:
        systemd.tell("READY=1")


@pytest.mark.parametrize(
    ("said", "watchdog"),
    [
        ({"WATCHDOG_USEC": "60000000"}, timedelta(minutes=1)),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, timedelta(minutes=1)),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_a_watchdog_is_ours_or_nobody_s(said: dict[str, str], watchdog: timedelta | None) -> None:
    assert Systemd.of(said, pid=7).watchdog == watchdog


def test_a_sign_of_life_comes_twice_as_often_as_it_must() -> None:
    assert Systemd(watchdog=timedelta(seconds=60)).every == timedelta(seconds=30)
