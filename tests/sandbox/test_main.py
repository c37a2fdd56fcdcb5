"""The whole outside as one process: a lock, addresses, credentials, and a memory that outlives a kill."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import httpx
import pytest

from bcbridge.sandbox.base import background
from bcbridge.sandbox.main import AlreadyRunning, Desk, Served, main, running, serve, start_anew
from tests.sandbox.bluecherry_kit import STILL, Erp, an_order, eventually

SYSTEMS = (Served("bluecherry", "bluecherry", settings=STILL), Served("shopify", "shopify"))
ANYWHERE = Desk(0, 0)
FEW = ("--set", "bluecherry.wholesale_orders=5")
ANY_PORT_OPTIONS = [*("--slack-port", "0", "--smtp-port", "0"), *("--serve", "bluecherry=0", "--serve", "shopify=0")]


@asynccontextmanager
async def served(folder: Path, systems: Sequence[Served] = SYSTEMS) -> AsyncIterator[dict[str, str]]:
    """The servers in this process; their addresses."""
    ready = anyio.Event()

    async def run() -> None:
        await serve(folder, systems, desk=ANYWHERE, ready=ready.set)

    async with background() as tasks:
        tasks.start_soon(run)
        with anyio.fail_after(30):
            await ready.wait()
        yield (await anyio.to_thread.run_sync(running, folder) or {})["urls"]


async def test_every_system_answers_where_sandbox_json_says(tmp_path: Path) -> None:
    async with served(tmp_path) as urls, httpx.AsyncClient() as http:
        said = {system: (await http.get(f"{url}/_sandbox/")).json() for system, url in urls.items()}
    assert {system: shown["sandbox"] for system, shown in said.items()} == {
        "bluecherry": "bluecherry",
        "shopify": "shopify",
        "alerts": "alerts",
    }
    assert {shown["folder"] for shown in said.values()} == {str(tmp_path)}


async def test_the_credentials_are_for_their_owner_alone_and_open_the_door(tmp_path: Path) -> None:
    async with served(tmp_path) as urls, httpx.AsyncClient() as http:
        place = tmp_path / "credentials"
        assert {file.name for file in place.iterdir()} == {
            *("bluecherry_subscription_key", "shopify_client_id", "shopify_client_secret", "shopify_token"),
            *("slack_webhook", "smtp_password"),
        }
        assert {stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()} == {0o600}
        key = (place / "bluecherry_subscription_key").read_text()
        reply = await http.get(f"{urls['bluecherry']}/SNDBX/api/pick", headers={"Ocp-Apim-Subscription-Key": key})
        webhook = (place / "slack_webhook").read_text()
        posted = await http.post(webhook, json={"text": "Hello"})
    assert reply.json()["version"]
    assert (posted.status_code, posted.text) == (200, "ok")


async def test_one_sandbox_a_folder(tmp_path: Path) -> None:
    async with served(tmp_path):
        with pytest.raises(AlreadyRunning, match=r"already running on .* \(pid \d+\)"):
            await serve(tmp_path, SYSTEMS, desk=ANYWHERE)
        with pytest.raises(AlreadyRunning):
            await anyio.to_thread.run_sync(start_anew, tmp_path)
        assert running(tmp_path)
    assert running(tmp_path) is None


async def test_a_taken_port_is_said_as_it_is(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="address already in use"):
        await serve(tmp_path, [replace(SYSTEMS[0], port=other.getsockname()[1])], desk=ANYWHERE)
    assert running(tmp_path) is None


async def test_starting_anew_forgets(tmp_path: Path) -> None:
    async with served(tmp_path) as urls, httpx.AsyncClient() as http:
        await http.post(f"{urls['bluecherry']}/_sandbox/clock", json={"offset_seconds": 60})
    await anyio.to_thread.run_sync(start_anew, tmp_path)
    async with served(tmp_path) as urls, httpx.AsyncClient() as http:
        clock = (await http.get(f"{urls['bluecherry']}/_sandbox/clock")).json()
    assert clock["offset_seconds"] == 0


def test_a_folder_that_is_taken_is_said_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with process(tmp_path):
        code = main(["--dir", str(tmp_path), *ANY_PORT_OPTIONS])
    assert code == 1
    assert "already running" in capsys.readouterr().err


async def test_two_shops_of_one_kind_have_books_and_keys_of_their_own(tmp_path: Path) -> None:
    shops = [Served("shopify", "shopify"), Served("shopify_uk", "shopify")]
    async with served(tmp_path, shops) as urls, httpx.AsyncClient() as http:
        await http.post(f"{urls['shopify_uk']}/_sandbox/orders", json={"lines": [{"sku": "040123000013"}]})
        books = {
            name: (await http.get(f"{urls[name]}/_sandbox/books/orders")).json()["orders"]
            for name in urls
            if name != "alerts"
        }
    assert {name: len(orders) for name, orders in books.items()} == {"shopify": 0, "shopify_uk": 1}
    keys = [(tmp_path / "credentials" / f"{name}_token").read_text() for name in ("shopify", "shopify_uk")]
    assert len(set(keys)) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--serve", "shopware=1"], "the sandbox has no 'shopware'"),
        (["--serve", "shopify=here"], "'here' is not a port"),
        (["--set", "shop.seed=1"], "no system is called 'shop'"),
        (["--set", "shopify.colour=red"], "has no such setting"),
        (["--set", "shopify.seed=many"], "invalid literal"),
    ],
)
def test_what_cannot_be_simulated_is_said(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--dir", str(tmp_path), *options])
    assert said in capsys.readouterr().err


# --- the real process ------------------------------------------------------------------------------------------


@contextmanager
def process(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """``python -m bcbridge.sandbox.main``, once it says that it is ready; killed at the end if it still runs."""
    command = [sys.executable, "-m", "bcbridge.sandbox.main", "--dir", str(folder), *FEW]
    with subprocess.Popen([*command, *ANY_PORT_OPTIONS, *more], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            said = [child.stdout.readline().split() for _ in range(3)]
            yield child, {system: url.removesuffix("/_sandbox/") for system, url in said}
        finally:
            child.kill()


async def test_accepted_orders_are_posted_after_a_kill(tmp_path: Path) -> None:
    """SIGKILL between acceptance and posting: the next process posts each of them, once."""
    with process(tmp_path, "--set", "bluecherry.post_every_seconds=3600") as (child, urls):
        async with client(tmp_path, urls) as erp:
            for n in range(5):
                await erp.accept(an_order(f"BC{n}"))
        child.kill()
        assert child.wait(timeout=10) == -signal.SIGKILL
    with process(tmp_path, "--set", "bluecherry.post_every_seconds=0.05") as (_, urls):
        async with client(tmp_path, urls) as erp:
            assert await eventually(lambda: erp.orders("po_num eq 'BC4'"))
            assert [o["po_num"] for o in await erp.orders("customer eq 'SHOPUSD'")] == [f"BC{n}" for n in range(5)]


def test_a_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    with process(tmp_path) as (child, urls):
        assert set(urls) == {"bluecherry", "shopify", "alerts"}
        child.terminate()
        assert child.wait(timeout=20) == 0
    assert json.loads((tmp_path / "sandbox.json").read_text())["pid"] == child.pid
    assert running(tmp_path) is None


@asynccontextmanager
async def client(folder: Path, urls: dict[str, str]) -> AsyncIterator[Erp]:
    key = (folder / "credentials" / "bluecherry_subscription_key").read_text()
    async with httpx.AsyncClient(headers={"Ocp-Apim-Subscription-Key": key}) as http:
        yield Erp(urls["bluecherry"], http)
