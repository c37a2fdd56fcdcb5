"""A damaged file is not written any more: what SQLite once found broken is refused until a person has restored it.

A mark beside the file (``bcbridge.db.damaged``) outlives the process: whatever starts it again meets the same words.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from bcbridge.errors import BridgeError, StoreBusy

BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
WHAT_TO_DO = "stop the bridge, `bcbridge verify`, then `bcbridge restore` the last good backup (docs/running.md)"


class StoreDamaged(StoreBusy):
    """The store's file is damaged: nothing is kept any more."""


class StoreUnusable(BridgeError):
    """The store's file cannot be opened or written; the message says what SQLite says and what helps."""


def is_damage(fault: BaseException) -> bool:
    """Whether SQLite says that the file itself is broken."""
    return isinstance(fault, sqlite3.Error) and (getattr(fault, "sqlite_errorcode", 0) & 0xFF) in BROKEN


def mark_of(path: Path) -> Path:
    """Where it is written down that this store is damaged."""
    return path.with_name(path.name + ".damaged")


class Damage:
    """What is known of a store's damage; shared by its writer and its readers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.why = ""

    def found(self, fault: BaseException) -> StoreDamaged | None:
        """The refusal from now on, if the fault is damage."""
        if not self.why and is_damage(fault):
            self.why = f"{self._path.name} is damaged ({fault}); {WHAT_TO_DO}"
            with suppress(OSError):  # the disk may be what is broken
                mark_of(self._path).write_text(f"{fault}\n")
        return self.refusal()

    def refusal(self) -> StoreDamaged | None:
        return StoreDamaged(self.why) if self.why else None

    def look(self) -> None:
        """Before the file is opened. Raises StoreDamaged where an earlier process found it damaged."""
        mark = mark_of(self._path)
        if mark.exists():
            said = mark.read_text(errors="replace").strip()
            raise StoreDamaged(
                f"{self._path.name} was found damaged ({said}); {WHAT_TO_DO}. "
                f"Where `bcbridge verify` finds nothing, remove {mark.name}"
            )


def unusable(path: Path, fault: Exception) -> BridgeError:
    """Why a store cannot be opened, in words."""
    if is_damage(fault):
        return StoreDamaged(f"{path.name} is damaged ({fault}); {WHAT_TO_DO}")
    helps = f"the bridge must be able to write {path} and its folder: look at owner, mode, mount and free space"
    return StoreUnusable(f"{path.name} cannot be used: {fault}; {helps}")
