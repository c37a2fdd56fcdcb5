"""The whole outside in one process: every simulated system on its own port, its memory in one folder.

``python -m bcbridge.sandbox.main --dir var/sandbox`` runs it by itself; `serve` is what a program calls.
In the folder: ``<system>.db`` (books), ``lock`` (held while it runs), ``sandbox.json`` (pid and addresses),
``credentials/`` (what a client needs to get in; well-known values that open nothing else).
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from bcbridge.sandbox import alerts as alerts_room
from bcbridge.sandbox import bluecherry as bluecherry_room
from bcbridge.sandbox import shopify as shopify_room
from bcbridge.sandbox.alerts import AlertsSettings
from bcbridge.sandbox.base import ForeignBooks, background
from bcbridge.sandbox.bluecherry import BlueCherrySettings
from bcbridge.sandbox.shopify import ShopifySettings

LOCK_TRIES = 5
SECONDS_OF_POINTS = 20
"""Shopify's bucket holds what twenty seconds restore, on every plan."""
LOCK_TRY_SECONDS = 0.05


@dataclass(frozen=True)
class Ports:
    """Where each system listens on 127.0.0.1; 0 takes a free port."""

    bluecherry: int = 9101
    shopify: int = 9102
    slack: int = 9109
    smtp: int = 9125


class AlreadyRunning(Exception):
    """Another sandbox holds this folder; ``pid`` is its process (0 where it has not said yet)."""

    def __init__(self, folder: Path, pid: int) -> None:
        super().__init__(f"a sandbox is already running on {folder} (pid {pid})")
        self.pid = pid


async def serve(
    folder: Path,
    *,
    ports: Ports | None = None,
    bluecherry: BlueCherrySettings | None = None,
    shopify: ShopifySettings | None = None,
    alerts: AlertsSettings | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Runs every system until cancelled; ``ready`` is called once all of them answer.

    Raises `AlreadyRunning` where another process has the folder, OSError where a port is taken, and
    `ForeignBooks` where another version wrote the books.
    """
    ports, erp, shop = ports or Ports(), bluecherry or BlueCherrySettings(), shopify or ShopifySettings()
    told = alerts or AlertsSettings()
    lock = await _lock(folder)
    try:
        async with AsyncExitStack() as stack:
            desk = await stack.enter_async_context(
                alerts_room.serving(folder, port=ports.slack, smtp_port=ports.smtp, settings=told)
            )
            # Before the systems answer: who sees them answer reads its keys at once.
            await to_thread.run_sync(_write_credentials, folder, _credentials(erp, shop, told, desk.webhook))
            erp_server = await stack.enter_async_context(
                bluecherry_room.serving(folder, port=ports.bluecherry, settings=erp)
            )
            shop_server = await stack.enter_async_context(
                shopify_room.serving(folder, port=ports.shopify, settings=shop)
            )
            urls = {"bluecherry": erp_server.url, "shopify": shop_server.url, "alerts": desk.url}
            await to_thread.run_sync(_write_json, folder / "sandbox.json", {"pid": os.getpid(), "urls": urls})
            if ready is not None:
                ready()
            await anyio.sleep_forever()
    finally:
        os.close(lock)


def running(folder: Path) -> dict[str, Any] | None:
    """``{"pid": n, "urls": {system: url}}`` of the sandbox alive on this folder; None where there is none.

    ``urls`` is empty while it is still starting.
    """
    try:
        with _held(folder):
            return None
    except AlreadyRunning as other:
        return _told(folder) or {"pid": other.pid, "urls": {}}


def start_anew(folder: Path) -> None:
    """Forgets everything the sandbox of this folder remembers; raises `AlreadyRunning` where it is alive."""
    with _held(folder):
        for books in folder.glob("*.db*"):
            books.unlink()


# --- the lock --------------------------------------------------------------------------------------------------


async def _lock(folder: Path) -> int:
    """The lock's descriptor. Tries a few times: `running`, asked by others, holds it for a moment."""
    for _ in range(LOCK_TRIES - 1):
        try:
            return await to_thread.run_sync(_take, folder)
        except AlreadyRunning:
            await anyio.sleep(LOCK_TRY_SECONDS)
    return await to_thread.run_sync(_take, folder)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    lock = _take(folder)
    try:
        yield
    finally:
        os.close(lock)


def _take(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(lock, 32).decode().strip()
        os.close(lock)
        raise AlreadyRunning(folder, int(pid or 0)) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


# --- files -----------------------------------------------------------------------------------------------------


def _credentials(erp: BlueCherrySettings, shop: ShopifySettings, told: AlertsSettings, webhook: str) -> dict[str, str]:
    return {
        "bluecherry_subscription_key": erp.subscription_key,
        "shopify_client_id": shop.client_id,
        "shopify_client_secret": shop.client_secret,
        "shopify_token": shop.token,
        "slack_webhook": webhook,
        "smtp_password": told.smtp_password,
    }


def _write_credentials(folder: Path, credentials: dict[str, str]) -> None:
    place = folder / "credentials"
    place.mkdir(mode=0o700, exist_ok=True)
    for name, value in credentials.items():
        _write(place / name, value)


def _write_json(path: Path, data: dict[str, Any]) -> None:
    _write(path, json.dumps(data, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    """The file is the old one or the new one, never half of one; for its owner alone."""
    draft = path.with_name(path.name + ".new")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _told(folder: Path) -> dict[str, Any] | None:
    """What ``sandbox.json`` says, if the process that holds the lock wrote it."""
    try:
        told: dict[str, Any] = json.loads((folder / "sandbox.json").read_text())
        holder = int((folder / "lock").read_text() or 0)
    except (FileNotFoundError, ValueError):
        return None
    return told if told["pid"] == holder else None


# --- by itself -------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the sandbox until SIGTERM or SIGINT. 0: ended as asked; 1: could not start, and why."""
    asked = _parser().parse_args(argv)
    try:
        anyio.run(_run, asked, backend_options={"use_uvloop": True})
    except (AlreadyRunning, ForeignBooks, OSError) as error:
        sys.stderr.write(f"bcbridge sandbox: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bcbridge sandbox", description="The outside systems, simulated.")
    parser.add_argument("--dir", type=Path, default=Path("var/sandbox"), help="where it remembers")
    parser.add_argument("--bluecherry-port", type=int, default=Ports.bluecherry)
    parser.add_argument("--shopify-port", type=int, default=Ports.shopify)
    parser.add_argument("--slack-port", type=int, default=Ports.slack, help="messages that were sent stand here")
    parser.add_argument("--smtp-port", type=int, default=Ports.smtp)
    parser.add_argument("--calls-per-minute", type=int, default=BlueCherrySettings.calls_per_minute)
    parser.add_argument("--post-every-seconds", type=float, default=BlueCherrySettings.post_every_seconds)
    parser.add_argument("--wholesale-orders", type=int, default=BlueCherrySettings.wholesale_orders)
    parser.add_argument("--ambient-orders-per-minute", type=float, default=ShopifySettings.ambient_orders_per_minute)
    parser.add_argument("--restore-rate", type=float, default=ShopifySettings.restore_rate, help="points a second")
    parser.add_argument("--fresh", action="store_true", help="forget everything first")
    return parser


async def _run(asked: argparse.Namespace) -> None:
    if asked.fresh:
        await to_thread.run_sync(start_anew, asked.dir)
    settings = BlueCherrySettings(
        calls_per_minute=asked.calls_per_minute,
        post_every_seconds=asked.post_every_seconds,
        wholesale_orders=asked.wholesale_orders,
    )
    shop = ShopifySettings(
        ambient_orders_per_minute=asked.ambient_orders_per_minute,
        restore_rate=asked.restore_rate,
        bucket=max(ShopifySettings.bucket, SECONDS_OF_POINTS * asked.restore_rate),
    )

    def ready() -> None:
        told = _told(asked.dir) or {"urls": {}}
        for system, url in told["urls"].items():
            sys.stdout.write(f"{system} {url}/_sandbox/\n")
        sys.stdout.flush()

    async with background() as tasks:
        tasks.start_soon(_until_told, tasks.cancel_scope)
        ports = Ports(asked.bluecherry_port, asked.shopify_port, asked.slack_port, asked.smtp_port)
        await serve(asked.dir, ports=ports, bluecherry=settings, shopify=shop, ready=ready)


async def _until_told(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
            return


if __name__ == "__main__":
    sys.exit(main())
