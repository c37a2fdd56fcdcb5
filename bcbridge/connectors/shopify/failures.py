"""What Shopify says in ``errors`` and ``userErrors`` of an answer with status 200, as what to do next.

Codes: contracts/shopify/NOTES.md 1.4. Texts of theirs are cut short; they name fields and scopes, not customers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bcbridge.errors import BridgeError, OpenCircuit, Reject, Retry
from bcbridge.model.answers import Doubtful

LONGEST_TEXT = 200
THROTTLED, TOO_COSTLY, DENIED = "THROTTLED", "MAX_COST_EXCEEDED", "ACCESS_DENIED"
PASSING = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"})
NOT_TAKEN = frozenset({DENIED, TOO_COSTLY, "BAD_REQUEST", "INVALID_FIELD_ARGUMENTS", "MAX_INPUT_SIZE_EXCEEDED"})
"""A mutation with one of these was not begun."""


class TooCostly(BridgeError):
    """The question asks for more points than one query may: ask for less at a time."""


class Unanswered(OpenCircuit):
    """Something stood in the way of a part of the data, while the question itself is well: an order that is broken."""


def errors_of(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The list under ``errors``; a bare text there (as an old refusal answers) becomes one error."""
    given = content.get("errors") or []
    if not isinstance(given, list):
        return [{"message": str(given)}]
    return [error if isinstance(error, dict) else {"message": str(error)} for error in given]


def is_throttled(errors: Sequence[Mapping[str, Any]]) -> bool:
    return any(_code(error) == THROTTLED for error in errors)


def decision(errors: Sequence[Mapping[str, Any]], optional: frozenset[str]) -> BridgeError | None:
    """What to do about the errors of an answer; ``None``: only optional fields were withheld."""
    telling = [error for error in errors if not _is_withheld(error, optional)]
    if not telling:
        return None
    first = telling[0]
    codes = {_code(error) for error in telling}
    if TOO_COSTLY in codes:
        return TooCostly("the query asks for too many points")
    if DENIED in codes:
        return OpenCircuit(_denied(next(error for error in telling if _code(error) == DENIED)))
    if codes <= PASSING:
        return Retry(f"Shopify answered {_code(first)}")
    if all(error_has_path(error) for error in telling):
        return Unanswered(f"Shopify could not answer {_place(first)}", by_content=True)
    return OpenCircuit(f"Shopify does not take the query: {_text(first)}")


def change_failure(errors: Sequence[Mapping[str, Any]]) -> OpenCircuit | Doubtful | None:
    """The same for a mutation, which may have happened although its answer is an error."""
    if not errors:
        return None
    first = errors[0]
    if any(_code(error) == DENIED for error in errors):
        return OpenCircuit(_denied(next(error for error in errors if _code(error) == DENIED)))
    if _code(first) in PASSING or (error_has_path(first) and _code(first) not in NOT_TAKEN):
        return Doubtful(f"Shopify answered {_place(first)}")
    return OpenCircuit(f"Shopify does not take the call: {_text(first)}")


def error_has_path(error: Mapping[str, Any]) -> bool:
    """The query itself is well: something stood in the way while it ran."""
    return bool(error.get("path"))


def refusal(data: Mapping[str, Any]) -> Reject | None:
    """``userErrors`` of a mutation: a failure, whatever the status says."""
    reasons = [reason for payload in data.values() if isinstance(payload, dict) for reason in _reasons(payload)]
    return Reject(reasons) if reasons else None


def _reasons(payload: Mapping[str, Any]) -> list[str]:
    named = (key for key in payload if key == "userErrors" or key.endswith("UserErrors"))
    return [_reason(error) for key in named for error in payload[key] or []]


def _reason(error: Mapping[str, Any]) -> str:
    place = ".".join(str(step) for step in error.get("field") or [])
    return f"{place}: {_text(error)}" if place else _text(error)


def _is_withheld(error: Mapping[str, Any], optional: frozenset[str]) -> bool:
    return _code(error) == DENIED and not optional.isdisjoint(_fields(error))


def _denied(error: Mapping[str, Any]) -> str:
    field = ".".join(_fields(error)) or "the query"
    scope = str(_extensions(error).get("requiredAccess") or "")[:LONGEST_TEXT]
    return f"Shopify denies access to {field}" + (f"; it needs {scope}" if scope else "; is a scope missing?")


def _fields(error: Mapping[str, Any]) -> list[str]:
    return [step for step in error.get("path") or [] if isinstance(step, str)]


def _place(error: Mapping[str, Any]) -> str:
    """Where in the data, and their code. Never their words: those may quote the data itself."""
    return " ".join(filter(None, (".".join(_fields(error)), _code(error))))


def _code(error: Mapping[str, Any]) -> str:
    return str(_extensions(error).get("code") or "")


def _extensions(error: Mapping[str, Any]) -> Mapping[str, Any]:
    given = error.get("extensions")
    return given if isinstance(given, dict) else {}


def _text(error: Mapping[str, Any]) -> str:
    return str(error.get("message") or "no reason given")[:LONGEST_TEXT]
