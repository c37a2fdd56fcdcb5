"""What an app may change of an order after its checkout: ``orderCancel``, which a job does a moment later, and order
edits, of which nothing shows before their commit (contracts/shopify/NOTES.md 1.6; schema 2026-10).

Not established there, and chosen here: a calculated line has the number of the line that it stands for; its quantity is
the current one, pieces that have left included; a job that finds the order cancelled or shipped ends without a change;
the words of the refusals. An edit only takes pieces away: whatever would add some is refused.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import orjson

from bcbridge.sandbox.shopify import changes
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.events import EVENTS
from bcbridge.sandbox.shopify.gid import gid, kind_of, number_of
from bcbridge.sandbox.shopify.orders import Moment, load
from bcbridge.sandbox.shopify.parts import Call, Info, Part, Resolver, composite, need, node_of

SCHEMA = """
CREATE TABLE order_edits (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id INTEGER NOT NULL,
    staged TEXT NOT NULL DEFAULT '{}',
    committed INTEGER NOT NULL DEFAULT 0
);
"""
WRITES = ("orderCancel", "orderEditCommit", "tagsAdd")
"""Of these an order is another one afterwards."""
LONGEST_NOTE = 255
JOB = (
    "SELECT EXISTS (SELECT 1 FROM happenings WHERE id = ?) FROM sqlite_sequence WHERE name = 'happenings' AND seq >= ?"
)


class No(Exception):
    """Why it is not done, and the field that says so."""

    def __init__(self, message: str, *field: str, code: str = "INVALID") -> None:
        super().__init__(message)
        self.code = code
        self.said = {"field": list(field) or None, "message": message}


# --- cancelling


def cancel(_: Any, info: Info, **given: Any) -> Part:
    need(info.context, info.field_name, "write_orders")
    try:
        order = cancellable(info.context, given)
    except No as no:
        said = {"orderCancelUserErrors": [{**no.said, "code": no.code}], "userErrors": [no.said]}
        return Part({}, {"job": None, **said})
    job = begun(info.context, order, given)
    return Part(order, {"job": job, "orderCancelUserErrors": [], "userErrors": []})


def cancellable(call: Call, given: JSON) -> JSON:
    found = node_of(call, given["orderId"], "Order")
    if found is None:
        raise No("Order does not exist", "orderId", code="NOT_FOUND")
    why = changes.not_cancellable(found.order)
    if why:
        raise No(why, "orderId")
    if len(given.get("staffNote") or "") > LONGEST_NOTE:
        raise No(f"Staff note is too long (maximum is {LONGEST_NOTE} characters)", "staffNote")
    return found.order


def begun(call: Call, order: JSON, given: JSON) -> JSON:
    """The job: one of the things that happen to orders by themselves. It is done when it waits no more."""
    details = {
        "reason": given["reason"],
        "restock": given["restock"],
        "refund": bool((given.get("refundMethod") or {}).get("originalPaymentMethodsRefund")),
        "note": given.get("staffNote"),
        "notify": given.get("notifyCustomer"),
    }
    due = call.now.timestamp() + call.job_seconds
    row = call.connection.execute(
        "INSERT INTO happenings (due, order_id, what, details) VALUES (?, ?, 'cancel', ?) RETURNING id",
        (due, number_of(order["id"]), orjson.dumps(details).decode()),
    ).fetchone()
    return {"id": gid("Job", row[0]), "done": False}


def job(_: Any, info: Info, id: str) -> Part | None:
    number = number_of(id) if kind_of(id) == "Job" else 0
    found = info.context.connection.execute(JOB, (number, number)).fetchone() if number else None
    return None if found is None else Part({}, {"id": id, "done": not found[0]})


# --- editing


@dataclass(frozen=True)
class Edit:
    """A session: units to take off each line, by its id, and whether they are put back."""

    id: int
    order: JSON
    staged: dict[str, JSON]

    def removals(self) -> dict[int, int]:
        places = {line["id"]: place for place, line in enumerate(self.order["lineItems"])}
        return {places[line]: one["units"] for line, one in self.staged.items() if one["units"]}


def begin(_: Any, info: Info, id: str) -> Part:
    need(info.context, info.field_name, "write_order_edits")
    found = node_of(info.context, id, "Order")
    if found is None:
        return refused(No("The order does not exist.", "id"), "calculatedOrder")
    if found.order["cancelledAt"]:
        return refused(No("The order cannot be edited because it is cancelled.", "id"), "calculatedOrder")
    statement = "INSERT INTO order_edits (order_id) VALUES (?) RETURNING id"
    row = info.context.connection.execute(statement, (number_of(id),)).fetchone()
    return shown(Edit(row[0], found.order, {}))


def set_quantity(_: Any, info: Info, **given: Any) -> Part:
    need(info.context, info.field_name, "write_order_edits")
    try:
        edit = the_edit(info.context, given["id"])
        line, units = off(edit, given)
    except No as no:
        return refused(no, "calculatedLineItem")
    edit.staged[line["id"]] = {"units": units, "restock": bool(given.get("restock"))}
    staged = (orjson.dumps(edit.staged).decode(), edit.id)
    info.context.connection.execute("UPDATE order_edits SET staged = ? WHERE id = ?", staged)
    return shown(edit, calculatedLineItem=calculated_line(edit, line))


def the_edit(call: Call, identifier: str) -> Edit:
    """The open session with this id, or of the calculated order with it. Raises No."""
    if kind_of(identifier) not in ("CalculatedOrder", "OrderEditSession"):
        raise No("Invalid id", "id")
    statement = "SELECT id, order_id, staged FROM order_edits WHERE id = ? AND NOT committed"
    row = call.connection.execute(statement, (number_of(identifier),)).fetchone()
    order = load(call.connection, row[1]) if row else None
    if order is None:
        raise No("The calculated order does not exist.", "id")
    return Edit(row[0], order, orjson.loads(row[2]))


def off(edit: Edit, given: JSON) -> tuple[JSON, int]:
    """The line, and how many units are to be taken off it. Raises No."""
    wanted = given["lineItemId"]
    lines = {calculated_id(line): line for line in edit.order["lineItems"]}
    if wanted not in lines:
        raise No("The calculated line item does not exist.", "lineItemId")
    line = lines[wanted]
    units = line["currentQuantity"] - given["quantity"]
    if given["quantity"] < 0:
        raise No("Quantity must be greater than or equal to 0.", "quantity")
    if units < 0:
        raise No("This shop only takes pieces away.", "quantity")
    if units > line["unfulfilledQuantity"]:
        raise No("Quantity cannot be less than the number of fulfilled items.", "quantity")
    return line, units


def commit(_: Any, info: Info, id: str, **given: Any) -> Part:
    need(info.context, info.field_name, "write_order_edits")
    try:
        edit = the_edit(info.context, id)
        removals = still_possible(edit)
    except No as no:
        return Part({}, {"order": None, "userErrors": [no.said]})
    order, at = edit.order, Moment(info.context.now).stamp
    for line, one in edit.staged.items():
        if not one["restock"]:
            changes.not_restocked(order, line, one["units"])
    changes.edit(order, at, removals)
    changes.told(order, "edit", at, given.get("staffNote"), notify=bool(given.get("notifyCustomer")))
    info.context.connection.execute("UPDATE order_edits SET committed = 1 WHERE id = ?", (edit.id,))
    info.context.changed.append(order)
    info.context.topics = EVENTS["edit"].topics
    return Part(order, {"order": order, "userErrors": []})


def still_possible(edit: Edit) -> dict[int, int]:
    """What is to be taken off, by the lines' places. Raises No where pieces have left since they were staged."""
    removals = edit.removals()
    if not removals:
        raise No("The edit has no changes.", "id")
    if edit.order["cancelledAt"]:
        raise No("The order cannot be edited because it is cancelled.", "id")
    if any(units > edit.order["lineItems"][place]["unfulfilledQuantity"] for place, units in removals.items()):
        raise No("The order has changed since the edit was begun.", "id")
    return removals


# --- what an edit would come to


def shown(edit: Edit, **more: JSON) -> Part:
    session = {"id": gid("OrderEditSession", edit.id)}
    said = {"calculatedOrder": calculated(edit), "orderEditSession": session, **more, "userErrors": []}
    return Part(edit.order, said)


def calculated(edit: Edit) -> JSON:
    """The order as it would be."""
    then = deepcopy(edit.order)
    if edit.removals():
        changes.edit(then, then["updatedAt"], edit.removals())
    return {
        "__typename": "CalculatedOrder",
        "id": gid("CalculatedOrder", edit.id),
        "lineItems": [calculated_line(edit, line) for line in edit.order["lineItems"]],
        "totalOutstandingSet": then["totalOutstandingSet"],
    }


def calculated_line(edit: Edit, line: JSON) -> JSON:
    staged = edit.staged.get(line["id"], {"units": 0, "restock": False})
    units, restock = staged["units"], staged["restock"]
    change = {
        "__typename": "OrderStagedChangeDecrementItem",
        "delta": units,
        "restock": restock,
        "lineItem": {"id": line["id"]},
    }
    return {
        "id": calculated_id(line),
        **{name: line[name] for name in ("sku", "title")},
        "quantity": line["currentQuantity"] - units,
        "editableQuantity": line["unfulfilledQuantity"] - units,
        "editableQuantityBeforeChanges": line["unfulfilledQuantity"],
        "restocking": bool(units and restock),
        "stagedChanges": [change] if units else [],
    }


def calculated_id(line: JSON) -> str:
    return gid("CalculatedLineItem", number_of(line["id"]))


def node(call: Call, identifier: str) -> Part | None:
    """A calculated order by its id."""
    try:
        edit = the_edit(call, identifier)
    except No:
        return None
    return Part(edit.order, calculated(edit))


def refused(no: No, empty: str) -> Part:
    return Part({}, {empty: None, "calculatedOrder": None, "orderEditSession": None, "userErrors": [no.said]})


FIELDS: dict[tuple[str, str], Resolver] = {
    ("QueryRoot", "job"): job,
    ("Mutation", "orderCancel"): cancel,
    ("Mutation", "orderEditBegin"): begin,
    ("Mutation", "orderEditSetQuantity"): set_quantity,
    ("Mutation", "orderEditCommit"): commit,
    ("OrderEditCommitPayload", "order"): composite,
}
