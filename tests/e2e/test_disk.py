"""A store that cannot be written: nothing is acknowledged that is not on disk, work stops, and goes on by itself."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.world import World, world

pytestmark = pytest.mark.timeout(300)

PATIENCE_SECONDS = 90.0
NO_LIMIT = resource.RLIM_INFINITY
DISK_BYTES = 12_000_000
STORE = "disk/bcbridge.db"


@contextmanager
def no_room(one: World) -> Iterator[None]:
    """The disk that the store is on is filled to the last byte by somebody else."""
    ballast = one.store.parent / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    yield
    ballast.unlink()


@contextmanager
def no_growth(one: World) -> Iterator[None]:
    """No file of the bridge's process may grow, its log neither."""
    assert one.bridge is not None
    resource.prlimit(one.bridge.pid, resource.RLIMIT_FSIZE, (0, NO_LIMIT))
    yield
    resource.prlimit(one.bridge.pid, resource.RLIMIT_FSIZE, (NO_LIMIT, NO_LIMIT))


@contextmanager
def locked(one: World) -> Iterator[None]:
    """Somebody else holds the database (a backup by hand, a curious person)."""
    with closing(sqlite3.connect(one.store, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def plain(folder: Path) -> Iterator[None]:
    """The store's folder as it is."""
    folder.mkdir()
    yield


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A small file system of its own for the store; whoever may not mount one skips."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


Place = Callable[[Path], AbstractContextManager[None]]
Trouble = Callable[[World], AbstractContextManager[None]]


@pytest.mark.parametrize(("place", "trouble"), [(small_disk, no_room), (plain, no_growth), (plain, locked)])
def test_what_cannot_be_kept_is_not_acknowledged_and_work_goes_on_by_itself(
    tmp_path: Path, place: Place, trouble: Trouble
) -> None:
    with place(tmp_path / "disk"), world(tmp_path, public=True, store_path=STORE) as one:
        one.run_bridge()
        one.sell(60, seed=61, rate=10, simple=True)
        one.comes(lambda: len(one.in_state("booked")) >= 5, "it is in the middle of it", within=PATIENCE_SECONDS)
        rung: dict[str, int] = {}
        with trouble(one):
            one.comes(lambda: ring(one, rung) == 503, "a webhook is told to come again", within=PATIENCE_SECONDS)
            posted = len(one.books(one.erp, "inbound"))
            assert [ring(one, rung) for _ in range(4)] == [503] * 4
            assert one.bridge_is_up(), "it lives, and says what is wrong"
            assert len(one.books(one.erp, "inbound")) <= posted + 1, "nothing is sent that is not written down"
        one.comes(lambda: ring(one, rung) == 200, "it takes them again by itself", within=PATIENCE_SECONDS)
        kept = {row["delivery"] for row in one.rows("SELECT delivery FROM deliveries")}
        assert {name for name, status in rung.items() if status == 200} <= kept
        assert not {name for name, status in rung.items() if status != 200} & kept
        assert one.hooks("store_busy") >= 5

        one.comes(lambda: len(one.sold()) >= 60, "all are sold", within=PATIENCE_SECONDS)
        one.sell_until_all_booked(seed=610, within=PATIENCE_SECONDS)
        assert one.doubles() == {}
        assert one.judged().wrong == ()
        assert one.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        assert one.stop_bridge() == 0


def ring(one: World, rung: dict[str, int]) -> int:
    """A webhook of its own number; what became of it is noted."""
    body = json.dumps({"id": 4711, "admin_graphql_api_id": "gid://shopify/Order/4711"}).encode()
    delivery = f"ours-{len(rung)}"
    rung[delivery] = one.ring(body, delivery=delivery)
    return rung[delivery]
