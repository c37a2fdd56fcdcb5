"""Commands that look after the store: backup, restore, verify, erase."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import anyio
import typer

from bcbridge.cli.acts import after_asking, reason
from bcbridge.cli.common import (
    DEFAULT,
    FAILED,
    AsJson,
    ConfigFile,
    NotRunning,
    act,
    desk,
    now,
    say,
    who,
)
from bcbridge.config import Settings
from bcbridge.connectors.base import Tools
from bcbridge.errors import BridgeError
from bcbridge.house.wiring import Wiring, build
from bcbridge.model.acts import ActResult, NotFound
from bcbridge.model.person import Whose
from bcbridge.store import backup as backups
from bcbridge.store import restore as restores
from bcbridge.store import verify as verifying
from bcbridge.store.acts import write_down
from bcbridge.store.db import FileLock, Store, connect
from bcbridge.store.verify import Finding, Verdict

ERASES_WITHIN_SECONDS = 900.0
"""Every document that is kept is looked into."""

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count.")]


# -- backup ------------------------------------------------------------------------------------------------------


def backup(
    file: Annotated[Path, typer.Argument(help="Where to; it holds personal data: keep it as you keep the store.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """A copy of the store in one file, looked at before it is called done; the bridge may be running."""
    at = desk(config_file, as_json)
    store = _the_store(at.settings)
    made = backups.make(store, file.absolute(), replace=force)
    noted = _note(at.settings, made.file)
    facts = {"file": str(made.file), "bytes": made.bytes, "seconds": round(made.seconds, 3), "noted": noted}
    at.answer(facts, lambda: _print_backup(made, noted=noted))


def _the_store(settings: Settings) -> Path:
    if not settings.store.path.exists():
        raise NotFound(f"there is no store at {settings.store.path}")
    return settings.store.path


def _note(settings: Settings, file: Path) -> bool:
    """Have it written down that a backup was made: by the running bridge, or here where none runs."""
    try:
        return act(settings, "note_backup", {"file": file.name, "who": who()}).done == 1
    except NotRunning:
        with suppress(BridgeError), _held(settings):
            return _note_here(settings, file)
    return False


def _note_here(settings: Settings, file: Path) -> bool:
    with closing(connect(settings.store.path)) as connection:
        backups.note(connection, now=now())
        write_down(connection, who=who(), act="backup", target=file.name, now=now())
    return True


def _print_backup(made: backups.Made, *, noted: bool) -> None:
    say(f"Backed up to {made.file}: {made.bytes:,} bytes in {made.seconds:.1f} s, whole. It holds personal data.")
    if not noted:
        say("It could not be written down in the store that it was made.", style="yellow")


@contextmanager
def _held(settings: Settings) -> Iterator[None]:
    """With the store's lock in hand: no bridge is running, and none starts. Raises StoreLocked."""
    lock = FileLock(settings.store.path)
    lock.take()
    try:
        yield
    finally:
        lock.release()


# -- restore -----------------------------------------------------------------------------------------------------


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    replace: Annotated[bool, typer.Option("--replace", help="Put the store that is there aside.")] = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the store's place, while the bridge is down; what was booked since is found by read-back."""
    at = desk(config_file, as_json)
    if not file.exists():
        raise NotFound(f"there is no file {file}")
    with _held(at.settings):
        done = restores.restore(at.settings.store.path, file.absolute(), replace=replace, who=who(), now=now())
    facts = {"store": str(done.store), "aside": None if done.aside is None else str(done.aside)}
    at.answer(facts, lambda: _print_restored(done))


def _print_restored(done: restores.Restored) -> None:
    say(f"Restored: {done.store}.")
    if done.aside is not None:
        say(f"The store that was there is {done.aside.name}, with its log beside it; remove it when all is well.")
    say("Start the bridge. What was booked since the backup is found in the ERP before anything is posted again.")


# -- verify ------------------------------------------------------------------------------------------------------


def verify(
    file: Annotated[Path | None, typer.Argument(help="A backup; without it: the store.")] = None,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Whether the file is whole, and its tables agree with one another; every finding with what to do."""
    at = desk(config_file, as_json)
    path = file or _the_store(at.settings)
    if not path.exists():
        raise NotFound(f"there is no file {path}")
    verdict = verifying.verify(path)
    facts = {"ok": verdict.ok, "checks": verdict.checks, "findings": verdict.findings, "more": verdict.more}
    at.answer(facts, lambda: _print_verdict(path, verdict))
    if not verdict.ok:
        raise typer.Exit(FAILED)


def _print_verdict(path: Path, verdict: Verdict) -> None:
    for finding in verdict.findings:
        _print_finding(finding)
    for check, more in verdict.more.items():
        say(f"{check}: and {more} more", style="yellow")
    if verdict.ok:
        say(f"{path.name} is whole; looked at: {', '.join(verdict.checks)}.")


def _print_finding(finding: Finding) -> None:
    say(f"{finding.check}: {finding.subject}: {finding.text}", style="red")
    say(f"  {finding.fix}")


# -- erase -------------------------------------------------------------------------------------------------------


def erase(
    why: Annotated[str, typer.Option("--why", help="The reason, kept for good; do not name the person in it.")],
    order: Annotated[str, typer.Option(help="One order: its name, id, reference or ERP number.")] = "",
    email: Annotated[str, typer.Option(help="Every order of this address; - reads it from the input.")] = "",
    phone: Annotated[str, typer.Option(help="Every order of this number; - reads it from the input.")] = "",
    customer: Annotated[str, typer.Option(help="Every order of this customer's id; woocommerce_eu:42.")] = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Remove a person's data from the store where their orders have ended; the proof of booking stays."""
    at = desk(config_file, as_json)
    whose = Whose(order=order, email=_typed(email), phone=_typed(phone), customer=customer)
    if not whose.is_one:
        raise typer.BadParameter("say one of --order, --email, --phone, --customer")
    ask: dict[str, object] = {"whose": whose.model_dump(), "why": reason(why)}
    after_asking(at, "erase", ask, yes=yes, dry_run=dry_run, do=_erase)


def _typed(text: str) -> str:
    """What is said on the command line can be read by whoever lists processes; the input cannot."""
    return sys.stdin.readline().strip() if text == "-" else text


def _erase(settings: Settings, name: str, ask: dict[str, object]) -> ActResult:
    """By the running bridge; where none runs, here, with the store's lock in hand."""
    try:
        return act(settings, name, ask, within=ERASES_WITHIN_SECONDS)
    except NotRunning:
        _the_store(settings)
        return anyio.run(_erase_here, settings, ask)


async def _erase_here(settings: Settings, ask: dict[str, object]) -> ActResult:
    async with Store(settings.store.path).opened() as store:
        house = build(settings, store, Tools(now=now, secret=settings.secrets), Wiring())
        try:
            whose = Whose.model_validate(ask["whose"])
            why, asked_by, dry_run = str(ask["why"]), str(ask["who"]), bool(ask["dry_run"])
            return await house.erasure().erase(whose, why=why, who=asked_by, dry_run=dry_run)
        finally:
            for connector in house.connectors():
                await connector.aclose()
