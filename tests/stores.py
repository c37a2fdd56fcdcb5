"""An empty store, made once and copied: bringing a new file to the schema takes 12 ms, which many tests do often."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bcbridge.store.db import migrate


def _made() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bcbridge.db"
        migrate(path)
        return path.read_bytes()


EMPTY = _made()  # here and now: within a loop it would block it


def empty_store(path: Path) -> Path:
    """A file as ``migrate`` leaves it, and its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(EMPTY)
    path.chmod(0o600)
    return path
