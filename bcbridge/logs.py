"""The log: facts as JSON or text, to a file where the live view owns the terminal, else to stderr.

Nothing here ever sees a header, a body or a customer: the callers log references and counts (a test looks).
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from typing import TextIO

import structlog
from structlog.typing import Processor

from bcbridge.config import LogSection

FILE_BYTES = 20_000_000
FILES_KEPT = 5


def configure(section: LogSection, *, to_file: bool) -> None:
    """Once, at the start of the process."""
    stream = _Lossy(_file(section) if to_file and section.path is not None else sys.stderr)
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if section.format == "json":
        processors.append(structlog.processors.JSONRenderer(sort_keys=True))
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=False))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(section.level),
        logger_factory=structlog.WriteLoggerFactory(stream),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=stream, force=True)


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
