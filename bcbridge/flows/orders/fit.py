"""Texts and codes against the widths of the ERP's fields."""

from __future__ import annotations

from bcbridge.flows.orders.desk import Desk, Findings


def fit(text: str, field: str, subject: str, desk: Desk, findings: Findings) -> str:
    """``text`` within the field's width: as it is, or cut and recorded, or blocked, by the field's policy."""
    width: int = getattr(desk.widths, field)
    if len(text) <= width:
        return text
    if getattr(desk.settings.over_width, field) == "truncate":
        findings.note("over_width", subject, f"{too_long(text, width)}; cut")
        return text[:width]
    findings.block("over_width", subject, too_long(text, width))
    return text


def check_code(code: str, field: str, desk: Desk, findings: Findings) -> None:
    """A code that does not fit blocks: half a code is another code."""
    width: int = getattr(desk.widths, field)
    if len(code) > width:
        findings.block("over_width", field.replace("_", " "), f"{code!r}: {too_long(code, width)}")


def too_long(text: str, width: int) -> str:
    return f"{len(text)} characters, the ERP takes {width}"
