"""v2 as XML, which is what it answers to whoever does not ask for JSON (2.1). Nobody parses this: it only has to be
no JSON."""

from __future__ import annotations

from xml.sax.saxutils import escape


def xml_of(data: object, name: str = "orders") -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{element(name, data)}'


def element(name: str, value: object) -> str:
    if isinstance(value, dict):
        inside = "".join(element(str(key), one) for key, one in value.items())
    elif isinstance(value, list):
        inside = "".join(element(name.removesuffix("s") if name.endswith("s") else "item", one) for one in value)
    else:
        inside = escape("" if value is None else str(value))
    return f"<{name}>{inside}</{name}>"
