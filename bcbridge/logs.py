"""The log: facts as JSON or text, to a file where the live view owns the terminal, else to stderr.

Nothing here ever sees a header, a body or a customer: the callers log references and counts (a test looks). What a
library says in our log, and what broke, is treated as if it might: a fault is told by its class and its place in the
code, in its own words only where they are ours; a value is cut, and never begins a line of its own.
"""

from __future__ import annotations

import faulthandler
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from bcbridge.config import LogSection
from bcbridge.errors import plain

FILE_BYTES = 20_000_000
FILES_KEPT = 5
VALUE_CHARACTERS = 2_000
FRAMES = 30
"""Of one fault, the innermost."""
FAULTS = 8
"""Of one chain of causes, or one group."""


def configure(section: LogSection, *, to_file: bool) -> None:
    """Once, at the start of the process. A fault that ends it is told in the same way as any other."""
    stream = _Lossy(_file(section) if to_file and section.path is not None else sys.stderr)
    processors = _processors(section)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(section.level),
        logger_factory=structlog.WriteLoggerFactory(stream),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(processors))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    sys.excepthook = _last_words
    with suppress(OSError, ValueError):  # stderr may be nothing that a dump can be written to
        faulthandler.enable()  # where each thread stood when it was aborted, as by a watchdog: frames, no values


def _processors(section: LogSection) -> list[Processor]:
    render: Processor = structlog.processors.JSONRenderer(sort_keys=True)
    if section.format == "text":
        render = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _told_by_class,
        _bounded,
        render,
    ]


# -- what may be said ----------------------------------------------------------------------------------------------


def _told_by_class(_: object, __: str, event: EventDict) -> EventDict:
    """``exc_info`` as ``fault``: class, place and cause. A traceback as Python prints it quotes what it met."""
    given = event.pop("exc_info", None)
    fault = given if isinstance(given, BaseException) else sys.exc_info()[1] if given is True else None
    if isinstance(given, tuple):
        fault = given[1]
    if fault is not None:
        event["fault"] = told(fault)
    return event


def told(fault: BaseException) -> str:
    """``ValueError at bcbridge/flows/orders/cut.py:88 cut < story.py:120 handle; because of KeyError at ...``."""
    return "; ".join(_told_each(fault))


def _told_each(fault: BaseException) -> Iterator[str]:
    """The fault, then what it holds or came of, one after the other."""
    waiting = [("", fault)]
    for _ in range(FAULTS):
        if not waiting:
            return
        how, one = waiting.pop(0)
        yield f"{how}{type(one).__name__}{_words(one)}{_place(one)}"
        waiting += _behind(one)


def _behind(fault: BaseException) -> list[tuple[str, BaseException]]:
    if isinstance(fault, BaseExceptionGroup):
        return [("with ", one) for one in fault.exceptions]
    cause = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
    return [("because of ", cause)] if cause is not None else []


def _words(fault: BaseException) -> str:
    said = plain(fault)
    return "" if said == type(fault).__name__ else f": {said}"


def _place(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__)[-FRAMES:]
    steps = [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames)]
    return f" at {' < '.join(steps)}" if steps else ""


def _short(filename: str) -> str:
    """From our own package on, or the last two names."""
    before, found, after = filename.rpartition("/bcbridge/")
    return (
        f"bcbridge/{after}" if found else "/".join(before.rsplit("/", 2)[-2:] if before else filename.split("/")[-2:])
    )


def _bounded(_: object, __: str, event: EventDict) -> EventDict:
    return {key: _cut(value) for key, value in event.items()}


def _cut(value: Any) -> Any:
    if isinstance(value, BaseException):
        return plain(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_cut(one) for one in value]
    if isinstance(value, dict):
        return {key: _cut(one) for key, one in value.items()}
    if not isinstance(value, str):
        return value
    text = "".join(char if char.isprintable() else " " for char in value[: VALUE_CHARACTERS + 1])
    return text if len(value) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}... ({len(value)} characters)"


class _Formatter(logging.Formatter):
    """What libraries say through ``logging``, as a line like ours."""

    def __init__(self, processors: list[Processor]) -> None:
        super().__init__()
        self._processors = processors

    def format(self, record: logging.LogRecord) -> str:
        event: Any = {"event": record.getMessage(), "logger": record.name, "exc_info": record.exc_info}
        for processor in self._processors:
            event = processor(None, record.levelname.lower(), event)
        return str(event)


def _last_words(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger().critical("ended by a fault", exc_info=fault)


# -- where it goes -------------------------------------------------------------------------------------------------


class _Lossy:
    """A line that cannot be written (a full disk, a reader that left) is lost: no order waits for the log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _Rotated:
    """A log file that never grows beyond ``FILE_BYTES`` times ``FILES_KEPT``."""

    def __init__(self, handler: RotatingFileHandler) -> None:
        self._handler = handler

    def write(self, text: str) -> int:
        line = text.rstrip("\n")
        if line:
            self._handler.emit(logging.LogRecord("bcbridge", logging.INFO, "", 0, line, None, None))
        return len(text)

    def flush(self) -> None:
        self._handler.flush()


def _file(section: LogSection) -> TextIO:
    assert section.path is not None
    section.path.parent.mkdir(parents=True, exist_ok=True)
    return _Rotated(RotatingFileHandler(section.path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT))  # type: ignore[return-value]
