"""Our values as JSON, the same on the web and on the command line: moments in UTC text, money as text."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import orjson
from pydantic import BaseModel

from bcbridge.store.stamps import stamp

_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_APPEND_NEWLINE


def dumps(value: object) -> bytes:
    """Dataclasses, records, mappings and sequences of them. Keys are the fields' names and stay stable."""
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="python")
    raise TypeError(f"{type(value).__name__} has no form in JSON")
