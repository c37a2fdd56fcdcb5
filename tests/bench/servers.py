"""Redis and PostgreSQL for the peers, if this machine has them: on a free port of 127.0.0.1, their data in a folder."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

UP_WITHIN_SECONDS = 30.0
LOOK_SECONDS = 0.05
POSTGRES_USER = "postgres"
PLACES = "/usr/lib/postgresql"


class Absent(Exception):
    """This machine does not have it; says what was not found."""


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A server that syncs its log before each answer; yields its URL. Raises Absent."""
    program = shutil.which("redis-server")
    if program is None:
        raise Absent("redis-server not found")
    port = _free_port()
    settings = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with _served([program, *settings, "--appendonly", "yes", "--appendfsync", "always"], port, folder / "redis.log"):
        yield f"redis://127.0.0.1:{port}"


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A server as it is shipped (fsync and synchronous_commit on); yields its DSN. Raises Absent."""
    program, initdb = _of_postgres("postgres"), _of_postgres("initdb")
    act = _not_as_root()
    data, port = folder / "data", _free_port()
    if act:
        shutil.chown(folder, POSTGRES_USER)
        folder.parent.chmod(0o755)
    subprocess.run(
        [*act, initdb, "-D", str(data), "-U", POSTGRES_USER, "-A", "trust", "-E", "UTF8"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    serve = [*act, program, "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
    with _served(serve, port, folder.parent / "postgres.log"):
        yield f"postgresql://{POSTGRES_USER}@127.0.0.1:{port}/postgres"


def _of_postgres(name: str) -> str:
    """Debian keeps its programs out of the way."""
    found = shutil.which(name) or next(iter(sorted(map(str, Path(PLACES).glob(f"*/bin/{name}")), reverse=True)), None)
    if found is None:
        raise Absent(f"{name} not found")
    return found


def _not_as_root() -> list[str]:
    """PostgreSQL refuses to run as root: then it runs as a user of its own."""
    if os.geteuid() != 0:
        return []
    runner = shutil.which("setpriv")
    if runner is None or POSTGRES_USER not in {user.pw_name for user in pwd.getpwall()}:
        raise Absent(f"not as root, and there is no user {POSTGRES_USER}")
    return [runner, f"--reuid={POSTGRES_USER}", f"--regid={POSTGRES_USER}", "--clear-groups"]


@contextmanager
def _served(argv: Sequence[str], port: int, log: Path) -> Iterator[None]:
    with log.open("ab") as said:
        process = subprocess.Popen(argv, stdout=said, stderr=said, cwd="/")
    try:
        _await(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(UP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + UP_WITHIN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(LOOK_SECONDS)
        else:
            return
    raise Absent(f"{process.args!r} did not come up: {log.read_text(errors='replace')[-500:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])
