"""A fault is told by its class and its place; nobody's name comes into the log with it, and no line begins another."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal

import httpx
import orjson
import pytest
import structlog
from pydantic import BaseModel

from bcbridge import logs
from bcbridge.config import LogSection
from bcbridge.errors import Malformed, Retry, plain
from bcbridge.logs import VALUE_CHARACTERS, told
from tests.e2e.world import environment

CANARY = "Vogelsang Zwitscherweg"


class Customer(BaseModel):
    age: int


Read = Callable[[], str]
FORMS = pytest.mark.parametrize("form", ["json", "text"])


@pytest.fixture
def begin(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], Read]]:
    """Sets the log up in one form; what it says from then on is read from what comes back."""
    hook, handlers = sys.excepthook, logging.getLogger().handlers[:]

    def configure(form: str) -> Read:
        logs.configure(LogSection.model_validate({"format": form}), to_file=False)
        return lambda: capsys.readouterr().err

    yield configure
    sys.excepthook = hook
    logging.getLogger().handlers[:] = handlers


def chained() -> object:
    try:
        return int(CANARY)
    except ValueError as fault:
        raise Malformed("cannot be read", where="orders r1") from fault


def while_handling() -> object:
    try:
        return int(CANARY)
    except ValueError:
        return dict[str, str]()["Vogelsang"]


def in_a_group() -> object:
    raise BaseExceptionGroup(CANARY, [ValueError(CANARY), Retry("answered 503")])


FAULTS: dict[str, Callable[[], object]] = {
    "pydantic": lambda: Customer.model_validate({"age": CANARY}),
    "pydantic from bytes": lambda: Customer.model_validate_json(f'{{"age": "{CANARY}"}}'),
    "int": lambda: int(CANARY),
    "key": lambda: dict[str, str]()[CANARY],
    "decimal": lambda: Decimal(CANARY),
    "json": lambda: json.loads(CANARY),
    "orjson": lambda: orjson.loads(f'{{"name": "{CANARY}", }}'),
    "httpx": lambda: httpx.get(f"gopher://{CANARY.replace(' ', '')}/Vogelsang"),
    "chained": chained,
    "while handling": while_handling,
    "in a group": in_a_group,
}
"""What libraries say of a customer when they cannot read him."""


@FORMS
@pytest.mark.parametrize("break_it", FAULTS.values(), ids=FAULTS)
def test_nobody_s_name_comes_into_the_log_with_a_fault(
    begin: Callable[[str], Read], form: str, break_it: Callable[[], object]
) -> None:
    said = begin(form)
    customer = CANARY
    assert customer, "a local that a traceback with locals would show"
    try:
        break_it()
    except BaseException as fault:
        structlog.get_logger().exception("job failed", ref="r1")
        logging.getLogger("library").exception("failed")
        logging.getLogger("library").warning("could not: %s", plain(fault))
        structlog.get_logger().error("as a value", fault=fault, several=[fault], by={"name": fault})
    text = said()
    assert text.count("\n") == 4
    assert "test_logs.py" in text, "where it was is told"
    for word in CANARY.split():
        assert word not in text


@FORMS
def test_our_own_words_are_told(begin: Callable[[str], Read], form: str) -> None:
    said = begin(form)
    try:
        raise Retry("GET shop.example/orders: answered 503") from OSError(28, "No space left on device")
    except Retry:
        structlog.get_logger().exception("put off")
    text = said()
    assert "Retry: GET shop.example/orders: answered 503" in text
    assert "because of OSError: [Errno 28] No space left on device" in text


def test_each_of_a_group_is_told_and_a_long_chain_is_cut() -> None:
    assert told(BaseExceptionGroup("x", [Retry("a"), Retry("b")])) == "ExceptionGroup; with Retry: a; with Retry: b"
    chain: BaseException = Retry("0")
    for number in range(1, 100):
        following = Retry(str(number))
        following.__cause__, chain = chain, following
    assert told(chain).count("Retry") == logs.FAULTS


@FORMS
def test_a_value_never_begins_a_line_of_its_own_nor_goes_on_for_ever(begin: Callable[[str], Read], form: str) -> None:
    said = begin(form)
    forged = 'x\n{"event": "booked", "level": "info"}\r\n\x1b[31mred\u2028'
    structlog.get_logger().info("refused", name=forged, long="y" * 100_000)
    logging.getLogger("library").warning("said %s", forged)
    lines = said().splitlines()
    assert len(lines) == 2
    assert not any("\x1b" in line for line in lines)
    assert all(len(line) < 2 * VALUE_CHARACTERS for line in lines)
    assert "(100000 characters)" in lines[0]


def test_libraries_speak_in_the_same_form() -> None:
    command = "import logging; from bcbridge import logs; from bcbridge.config import LogSection; "
    command += (
        "logs.configure(LogSection(), to_file=False); logging.getLogger('aiohttp.server').error('it %s', 'broke'); "
    )
    command += f"int('{CANARY}')"
    done = subprocess.run(
        [sys.executable, "-c", command], env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    library, last = (json.loads(line) for line in done.stderr.splitlines())
    assert (library["event"], library["logger"], library["level"]) == ("it broke", "aiohttp.server", "error")
    assert (last["event"], last["level"]) == ("ended by a fault", "critical")
    assert last["fault"].startswith("ValueError at ")
    assert "Vogelsang" not in done.stderr
    assert done.returncode == 1


def test_what_is_shown_of_a_fault_is_ours_or_its_class() -> None:
    assert plain(Retry("answered 503")) == "answered 503"
    assert plain(ValueError(CANARY)) == "ValueError"
    assert plain(TimeoutError()) == "TimeoutError"
    assert plain(Malformed("two\nlines")) == "two lines"
