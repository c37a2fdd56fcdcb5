"""A mapping that changes frees what was blocked for want of it; one that is wrong changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from bcbridge.errors import Misconfigured, StoreBusy
from bcbridge.house.reload import MappingsInForce
from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Blocked, Problem
from bcbridge.model.standing import Facts
from bcbridge.store import orders
from bcbridge.store.db import Store
from tests.runtime.kit import Clock, locked, until
from tests.stores import empty_store

UPS = '[shop]\nStandard = "UPG"\n'
MORE = '[shop]\nStandard = "UPG"\nOvernight = "UP1"\n'


@dataclass
class Folder:
    store: Store
    clock: Clock
    path: Path
    force: MappingsInForce
    rung: list[str] = field(default_factory=list)

    async def write(self, text: str, name: str = "ship_via.toml") -> None:
        await anyio.Path(self.path / name).write_text(text)

    async def block(self, number: int, cause: str = "ship_via/Overnight", *, channel: str = "shop") -> None:
        problem = Problem(code="ship_via", subject="shipping", text="", cause=cause)
        facts = Facts(Ref(str(number)))
        await self.store.write(
            lambda tx: orders.record(tx, channel, facts, Blocked(problems=(problem,)), now=self.clock())
        )

    async def waiting(self) -> list[str]:
        return [row["ref"] for row in await self.store.read.rows("SELECT ref FROM jobs ORDER BY id")]

    async def incidents(self) -> list[str]:
        rows = await self.store.read.rows("SELECT code FROM incidents WHERE closed_at IS NULL")
        return [row["code"] for row in rows]

    def code(self) -> str | None:
        return self.force.current.code("ship_via", "shop", "Overnight")


@pytest.fixture
async def f(tmp_path: Path) -> AsyncIterator[Folder]:
    path, clock, rung = tmp_path / "mappings", Clock(), []
    path.mkdir()
    (path / "ship_via.toml").write_text(UPS)
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as store:
        force = MappingsInForce(path, ["shop", "other"], store, clock, lambda: rung.append("ring"))
        force.load()
        with capture_logs():
            yield Folder(store, clock, path, force, rung)


async def test_a_row_that_is_added_frees_what_was_blocked_for_want_of_it(f: Folder) -> None:
    await f.block(1)
    await f.block(2, "sku/1")
    await f.write(MORE)
    await f.force._reload()
    assert f.code() == "UP1"
    assert await f.waiting() == ["1"]
    assert f.rung == ["ring"]


async def test_a_row_of_one_shop_frees_no_order_of_another(f: Folder) -> None:
    """Else the first three might be another shop's, and prove nothing of what the rest is booked by."""
    for number in range(1, 4):
        await f.block(number, channel="other")
    for number in range(4, 9):
        await f.block(number)
    await f.write(MORE)
    await f.force._reload()
    assert await f.waiting() == ["4", "5", "6"]


async def test_a_row_for_all_shops_lets_three_of_each_go_first(f: Folder) -> None:
    for number in range(1, 6):
        await f.block(number, channel="other")
        await f.block(number + 10)
    await f.write(MORE.replace("[shop]", "[default]"))
    await f.force._reload()
    assert sorted(await f.waiting()) == ["1", "11", "12", "13", "2", "3"]


async def test_five_freed_go_three_first(f: Folder) -> None:
    for number in range(5):
        await f.block(number)
    await f.write(MORE)
    await f.force._reload()
    assert await f.waiting() == ["0", "1", "2"]


async def test_a_file_that_changes_is_read_by_itself(f: Folder) -> None:
    await f.block(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(f.force.watch)
        await f.write(MORE)
        await until(lambda: f.code() == "UP1")
        await until(lambda: bool(f.rung))
        tasks.cancel_scope.cancel()


async def test_a_wrong_one_changes_nothing_and_is_an_incident_until_it_is_right(f: Folder) -> None:
    before = f.force.current
    await f.write('[shop]\nOvernight = ["no"]\n')
    await f.force._reload()
    assert f.force.current is before
    assert await f.incidents() == ["mappings_refused"]
    await f.write(MORE)
    await f.force._reload()
    assert await f.incidents() == []
    assert f.code() == "UP1"


async def test_a_file_in_the_middle_of_being_written_is_not_taken_over(f: Folder) -> None:
    """Gone for a moment, or half there: two looks must have seen the same."""
    before = f.force.current
    await anyio.Path(f.path / "ship_via.toml").unlink()
    await f.force._look()
    assert f.force.current is before
    await f.write("[shop")
    await f.force._look()
    assert await f.incidents() == []
    await f.write(MORE)
    await f.force._look()
    await f.force._look()
    assert f.code() == "UP1"
    assert await f.incidents() == []


async def test_a_wrong_file_among_right_ones_takes_none_of_them_over(f: Folder) -> None:
    await f.write(MORE)
    await f.write("[shop\n", "terms.toml")
    await f.force._look()
    await f.force._look()
    assert f.code() is None
    assert await f.incidents() == ["mappings_refused"]
    await f.write('[shop]\ndefault = "PP"\n', "terms.toml")
    for _ in range(2):
        await f.force._look()
    assert f.code() == "UP1"
    assert await f.incidents() == []


async def test_what_cannot_be_read_at_all_is_refused_too(f: Folder) -> None:
    before = f.force.current
    await anyio.Path(f.path / "terms.toml").mkdir()
    await f.force._look()
    await f.force._look()
    assert f.force.current is before
    assert await f.incidents() == ["mappings_refused"]


async def test_one_row_set_by_command_is_in_the_file_and_in_force(f: Folder) -> None:
    await f.block(1)
    assert await f.force.save("ship_via", "shop", "Overnight", "UP1") == 1
    assert f.code() == "UP1"
    assert "Overnight" in await anyio.Path(f.path / "ship_via.toml").read_text()
    assert await f.waiting() == ["1"]


async def test_a_command_that_is_wrong_writes_nothing(f: Folder) -> None:
    with pytest.raises(Misconfigured):
        await f.force.save("ship_vias", "shop", "Overnight", "UP1")
    assert await anyio.Path(f.path / "ship_via.toml").read_text() == UPS


async def test_a_busy_store_does_not_lose_the_cure(f: Folder) -> None:
    """The table is not in force before those it frees are let go: it is taken over whole, later."""
    await f.block(1)
    await f.write(MORE)
    other = await locked(f.store.path)
    with pytest.raises(StoreBusy):
        await f.force._reload()
    other.close()
    await f.force._reload()
    assert f.code() == "UP1"
    assert await f.waiting() == ["1"]


async def test_nor_one_set_by_command(f: Folder) -> None:
    await f.block(1)
    other = await locked(f.store.path)
    with pytest.raises(StoreBusy):
        await f.force.save("ship_via", "shop", "Overnight", "UP1")
    other.close()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(f.force.watch)
        await until(lambda: bool(f.rung))
        tasks.cancel_scope.cancel()
    assert await f.waiting() == ["1"]


async def test_two_who_set_a_row_at_once_and_one_who_just_wrote_by_hand_lose_nothing(f: Folder) -> None:
    await f.write(MORE)
    async with anyio.create_task_group() as both:
        both.start_soon(f.force.save, "ship_via", "shop", "Express", "EX1")
        both.start_soon(f.force.save, "ship_via", "shop", "Slow", "SL1")
    said = await anyio.Path(f.path / "ship_via.toml").read_text()
    for key, code in (("Standard", "UPG"), ("Overnight", "UP1"), ("Express", "EX1"), ("Slow", "SL1")):
        assert f'{key} = "{code}"' in said
        assert f.force.current.code("ship_via", "shop", key) == code
