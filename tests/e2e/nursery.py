"""Processes of tests, forked from one that has imported everything: a start costs 0.1 s of a core instead of 1.5.

What runs is what ``python -m MODULE`` or ``python PROGRAM`` would run, in a process of its own that is killed, limited
and waited for like any other. Only inside ``forking`` (tests/e2e/conftest.py). What is claimed of a start from nothing
is claimed where there are such: tests/cli/test_running.py, tests/test_process.py, tests/test_sdnotify.py,
tests/test_dockerfile.py, tests/e2e/test_shipped_config.py.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

IMPORTED = ["bcbridge.cli", "bcbridge.house.app", *(f"bcbridge.sandbox.{one}" for one in ("alerts", "bigcommerce"))]
IMPORTED += [f"bcbridge.sandbox.{one}" for one in ("bluecherry", "shopify", "woocommerce")]
MODULE = "-m"


class _Nursery:
    """Where processes are forked, while it is open."""

    context: ForkServerContext | None = None


@contextmanager
def forking() -> Iterator[None]:
    """Inside, ``started`` and ``ran`` fork. The one that is forked stays for the next time."""
    _Nursery.context = multiprocessing.get_context("forkserver")
    _Nursery.context.set_forkserver_preload(IMPORTED)
    yield
    _Nursery.context = None


class Forked:
    """What tests ask of a ``subprocess.Popen``."""

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self._process = process
        self.pid: int = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        ended = self._process.exitcode
        if ended is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return ended

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


Process = Forked | subprocess.Popen[bytes]


def started(
    command: Sequence[str], *, folder: Path, env: Mapping[str, str], out: Path, err: Path, fresh: bool = False
) -> Process:
    """A process of this Python; ``command`` is what would follow its name. What it says is appended to the files.

    ``fresh``: started from nothing in any case.
    """
    if _Nursery.context is not None and not fresh:
        process = _Nursery.context.Process(target=_become, args=(command, folder, dict(env), out, err), daemon=True)
        process.start()
        return Forked(process)
    with out.open("ab") as said, err.open("ab") as complained:
        return subprocess.Popen([sys.executable, *command], stdout=said, stderr=complained, cwd=folder, env=env)


def ran(
    command: Sequence[str], *, folder: Path, env: Mapping[str, str], within: float
) -> subprocess.CompletedProcess[str]:
    """The same, waited for; with what it said. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place) / "out", Path(place) / "err"
        process = started(command, folder=folder, env=env, out=out, err=err)
        try:
            code = process.wait(within)
        finally:
            process.kill()
        return subprocess.CompletedProcess(command, code, out.read_text(), err.read_text())


def _become(command: Sequence[str], folder: Path, env: Mapping[str, str], out: Path, err: Path) -> None:
    """In the child: as if Python had been started so."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for path, handle in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), handle)
    if command[0] == MODULE:
        sys.argv = list(command[1:])
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(command)
        runpy.run_path(command[0], run_name="__main__")
