"""The Dockerfile by its claims, and what it starts: not as root, on a root that cannot be written, ended by SIGTERM.

No engine is needed: a mount namespace of our own is read-only but for the volume, the user and the environment are
those of the image, and the health check is the image's own command.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.world import free_ports, until

ROOT = Path(__file__).resolve().parents[1]
UP_WITHIN_SECONDS = 60.0
ENDS_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class Step:
    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """Of the exec form: a JSON array."""
        found: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return found


@cache
def stages() -> list[list[Step]]:
    """Each stage's instructions, its FROM first; what stands before the first FROM is left out."""
    text = "\n".join(line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    found: list[list[Step]] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            found.append([])
        if word and found:
            found[-1].append(Step(word, rest.strip()))
    return found


def last(word: str) -> Step:
    """The instruction that is in force in the image."""
    return [step for step in stages()[-1] if step.word == word][-1]


def environment() -> dict[str, str]:
    pairs = (one.split("=", 1) for one in last("ENV").rest.split())
    return dict(pairs)


# -- as it is written ----------------------------------------------------------------------------------------------


def test_its_base_is_pinned_to_a_version() -> None:
    text = (ROOT / "Dockerfile").read_text()
    (tag,) = re.findall(r"^ARG PYTHON=(\S+)$", text, re.M)
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", tag)
    assert [stage[0].rest.split(" AS ")[0] for stage in stages()] == ["${PYTHON}", "${PYTHON}"]
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"] == ">=3.11"


def test_nothing_is_installed_that_the_lock_does_not_name_with_its_hash() -> None:
    commands = [part for stage in stages() for step in stage if step.word == "RUN" for part in step.rest.split("&&")]
    installs = [one for one in commands if re.search(r"\bpip\b.* (install|wheel)\b", one)]
    assert len(installs) == 4
    assert all(("--require-hashes" in one and "--no-deps" in one) or "--no-index" in one for one in installs)
    assert not any(re.search(r"\b(curl|wget|apt-get|git)\b", one) for one in commands)


def test_what_it_installs_is_what_production_needs_of_the_lock() -> None:
    whole, part = pins("requirements.lock"), pins("requirements-run.lock")
    assert part.items() <= whole.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {name(one) for one in project["dependencies"]} <= part.keys()
    tools = {name(one) for one in project["optional-dependencies"]["dev"]}
    assert not (tools - {name(one) for one in project["dependencies"]}) & part.keys()


def pins(lock: str) -> dict[str, tuple[str, ...]]:
    """name -> its version and hashes."""
    blocks = re.split(r"^(?=[a-z0-9])", (ROOT / lock).read_text(), flags=re.M)
    return {name(one): (one.split()[0], *sorted(re.findall(r"sha256:\w+", one))) for one in blocks if "==" in one}


def name(requirement: str) -> str:
    return re.split(r"[\s<>=;\[~!]", requirement)[0].lower().replace("_", "-")


def test_it_runs_as_nobody_in_particular() -> None:
    uid, _, gid = last("USER").rest.partition(":")
    assert int(uid) >= 1000
    assert int(gid) >= 1000
    words = [step.word for step in stages()[-1]]
    assert "RUN" not in words[words.index("USER") :], "nothing is changed after it"


def test_sigterm_reaches_it() -> None:
    assert last("STOPSIGNAL").rest == "SIGTERM"
    assert last("ENTRYPOINT").words == ["bcbridge"]
    assert last("CMD").words == ["run", "--no-live"]


def test_no_secret_and_nothing_but_the_package_gets_into_it() -> None:
    assert not re.search(r"(KEY|TOKEN|SECRET|PASSWORD)=", (ROOT / "Dockerfile").read_text())
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    copied = {one for stage in stages() for step in stage if step.word == "COPY" for one in step.rest.split()[:-1]}
    assert {one for one in copied if "/" not in one and not one.startswith("--")} <= {one[1:] for one in ignored}
    assert not any(step.word == "ADD" for stage in stages() for step in stage)


def test_only_its_volume_is_written() -> None:
    assert last("VOLUME").rest == last("WORKDIR").rest == "/var/lib/bcbridge"
    assert environment()["PYTHONDONTWRITEBYTECODE"] == "1"


# -- as it runs ----------------------------------------------------------------------------------------------------

CONFIG = """
[store]
path = "{volume}/bcbridge.db"
[web]
host = "0.0.0.0"
port = {port}
socket = "{volume}/bcbridge.sock"
[mappings]
folder = "{volume}/mappings"
[log]
path = "{volume}/bcbridge.log"
"""

READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$VOLUME" "$VOLUME"
if [ -n "$CLOSED" ]; then  # Python lies in somebody's home: shown alone, in its place
    mount --bind "$PYTHON" "$HOLD"
    mount -t tmpfs -o mode=755 tmpfs "$CLOSED"
    mkdir -p "$PYTHON"
    mount --bind "$HOLD" "$PYTHON"
fi
for place in $(awk '$2 != "/proc" && $2 !~ "^/proc/" && $2 !~ "^/sys" {print $2}' /proc/mounts); do
    [ "$place" = "$VOLUME" ] || mount -o remount,bind,ro "$place" 2>/dev/null || true
done
if touch "$OUTSIDE" 2>/dev/null; then echo "the root is not read-only" >&2; exit 99; fi
exec setpriv --reuid="$USER_ID" --regid="$GROUP_ID" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
    env -i "$@"
"""


def why_not() -> str:
    """What is missing to make a read-only root of our own; empty where nothing is."""
    if os.geteuid() != 0:
        return "only root makes a mount namespace here"
    for tool in ("unshare", "setpriv"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    tried = subprocess.run(["unshare", "-m", "mount", "--make-rprivate", "/"], capture_output=True, check=False)
    return "this machine lets nobody mount" if tried.returncode else ""


def closed(place: Path) -> str:
    """The outermost folder on the way to it that others may not pass; empty where they may pass all."""
    way = [*reversed(place.parents), place]
    return next((str(one) for one in way if not one.stat().st_mode & 0o001), "")


@dataclass
class Image:
    """The image's user, environment and commands, over the bridge under test instead of the one it would install."""

    folder: Path
    port: int

    @property
    def volume(self) -> Path:
        return self.folder / "volume"

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    def prepare(self) -> None:
        self.volume.mkdir(mode=0o700)
        (self.volume / "mappings").mkdir()
        (self.folder / "hold").mkdir()
        self.config.write_text(CONFIG.format(volume=self.volume, port=self.port))
        uid, gid = map(int, last("USER").rest.split(":"))
        for place in (self.volume, self.volume / "mappings"):
            os.chown(place, uid, gid)
        for place in (self.folder, *self.folder.parents):
            if place.stat().st_uid == os.geteuid() and place.is_relative_to(tempfile.gettempdir()):
                place.chmod(place.stat().st_mode | 0o011)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        inside = environment() | {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "BCBRIDGE_CONFIG": str(self.config),
            "BCBRIDGE_HEALTH": f"http://127.0.0.1:{self.port}/health",
        }
        uid, gid = last("USER").rest.split(":")
        outside = {
            "PATH": os.environ["PATH"],
            "VOLUME": str(self.volume),
            "OUTSIDE": str(self.folder / "outside"),
            "PYTHON": sys.base_prefix,
            "CLOSED": closed(Path(sys.base_prefix)),
            "HOLD": str(self.folder / "hold"),
            "USER_ID": uid,
            "GROUP_ID": gid,
        }
        words = ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", *(f"{k}={v}" for k, v in inside.items()), *command]
        with (self.folder / "out").open("ab") as out:
            return subprocess.Popen(words, cwd=self.volume, env=outside, stdout=out, stderr=out)

    def is_healthy(self) -> bool:
        """By the image's own health check."""
        return self.start(*last("HEALTHCHECK").words).wait(30) == 0

    def said(self) -> str:
        return (self.folder / "out").read_text()


@pytest.fixture
def image(tmp_path: Path) -> Image:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    (port,) = free_ports(1)
    one = Image(tmp_path, port)
    one.prepare()
    return one


def test_on_a_read_only_root_it_is_healthy_and_sigterm_ends_it_with_0(image: Image) -> None:
    assert not image.is_healthy(), "nobody answers yet"
    entry = ["python", "-m", "bcbridge.cli", *last("ENTRYPOINT").words[1:], *last("CMD").words]
    process = image.start(*entry)
    try:
        until(lambda: image.is_healthy() or process.poll() is not None, UP_WITHIN_SECONDS, "healthy", tell=image.said)
        assert process.poll() is None, image.said()
        status = (Path("/proc") / str(process.pid) / "status").read_text()
        assert re.search(r"^Uid:\t10001\t10001\t10001\t10001$", status, re.M)
        assert re.search(r"^CapEff:\t0+$", status, re.M)
        process.send_signal(signal.SIGTERM)
        assert process.wait(ENDS_WITHIN_SECONDS) == 0, image.said()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
    written = {path.name.removesuffix("-wal").removesuffix("-shm") for path in image.volume.iterdir()}
    assert written == {"bcbridge.db", "bcbridge.db.lock", "mappings"}
