"""How the shop says no, in WordPress's words (recorded/*)."""

from __future__ import annotations

from typing import Any

from bcbridge.sandbox.shopping.cart import JSON


class Refused(Exception):
    """An error answer; ``status`` is HTTP's, ``data`` what stands under that name."""

    def __init__(self, status: int, code: str | int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: JSON = {"code": code, "message": message, "data": {"status": status} if data is None else data}


def no_route() -> Refused:
    return Refused(404, "rest_no_route", "No route was found matching the URL and request method.")


def not_json() -> Refused:
    data = {"status": 400, "json_error_code": 4, "json_error_message": "Syntax error"}
    return Refused(400, "rest_invalid_json", "Invalid JSON body passed.", data)


def invalid_id(what: str) -> Refused:
    return Refused(404, f"woocommerce_rest_{what}_invalid_id", "Invalid ID.")


def missing(*names: str) -> Refused:
    data = {"status": 400, "params": list(names)}
    return Refused(400, "rest_missing_callback_param", f"Missing parameter(s): {', '.join(names)}", data)


def invalid(faults: dict[str, tuple[str, str]]) -> Refused:
    """Of each parameter: the kind of fault, and what is wrong in words."""
    details = {
        name: {"code": kind, "message": said, "data": {"param": name} if kind == "rest_invalid_type" else None}
        for name, (kind, said) in faults.items()
    }
    data = {"status": 400, "params": {name: said for name, (_, said) in faults.items()}, "details": details}
    return Refused(400, "rest_invalid_param", f"Invalid parameter(s): {', '.join(faults)}", data)


def not_refunded(message: str) -> Refused:
    """Every failure of a refund is a 500, validation too, and its ``data`` a bare number."""
    return Refused(500, "woocommerce_rest_cannot_create_order_refund", message, 500)


def not_allowed(method: str, *, one: bool) -> Refused:
    """What somebody without credentials is told, which is also what one with the wrong way of showing them is told."""
    code, message = NOT_ALLOWED[method]
    return Refused(401, code, message.format("view this resource" if one else "list resources"))


def may_not(method: str) -> Refused:
    """The keys are known, and their user lacks the right."""
    code, message = NOT_ALLOWED[method]
    return Refused(403, code, message.format("list resources"))


NOT_ALLOWED = {
    "GET": ("woocommerce_rest_cannot_view", "Sorry, you cannot {}."),
    "POST": ("woocommerce_rest_cannot_create", "Sorry, you are not allowed to create resources."),
    "PUT": ("woocommerce_rest_cannot_edit", "Sorry, you are not allowed to edit this resource."),
    "PATCH": ("woocommerce_rest_cannot_edit", "Sorry, you are not allowed to edit this resource."),
    "DELETE": ("woocommerce_rest_cannot_delete", "Sorry, you are not allowed to delete this resource."),
}


def not_signed_in(message: str) -> Refused:
    return Refused(401, "woocommerce_rest_authentication_error", message)
