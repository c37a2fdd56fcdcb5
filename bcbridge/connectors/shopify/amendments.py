"""What a shop takes of changes that the ERP made, and marks: an order cancelled, its lines made smaller, a tag added
(contracts/shopify/NOTES.md 1.6; schema 2026-10). No money is given back.

None of the three can be made idempotent by a key, so each looks first and asks for what is still wanting. Of an edit
only its commit changes anything: until then whatever fails has had no effect.
"""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from bcbridge.connectors.budget import Share
from bcbridge.connectors.shopify.client import Client, Data, Gone, as_agreed
from bcbridge.errors import BridgeError, Reject, Retry
from bcbridge.model.answers import Accepted, NotSent, PutAnswer, Rejected
from bcbridge.model.changes import Amendment, AmendmentKind
from bcbridge.model.ids import Ref

LINES_PAGE = 100
PAUSES = (0.25, 0.5, 1.0, 2.0)
"""Seconds before each look at a job of theirs."""
LONGEST_NOTE = 255
"""Of a cancellation (schema, ``orderCancel``)."""
TAKEN_OFF = "OrderStagedChangeDecrementItem"
GONE = "the shop has no such order"


class Amendments:
    """``shopify.amendments``. ``name``: what an operator confirms for production."""

    can = frozenset({AmendmentKind.CANCEL, AmendmentKind.REDUCE, AmendmentKind.MARK})

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client
        self._ways = {
            AmendmentKind.CANCEL: self._cancel,
            AmendmentKind.REDUCE: self._reduce,
            AmendmentKind.MARK: self._mark,
        }

    def render(self, amendment: Amendment) -> bytes:
        """Pure: which order is to be made what."""
        return amendment.model_dump_json().encode()

    async def put(self, body: bytes) -> PutAnswer:
        """Once. ``Accepted`` also where it is so already, and where Shopify has a job under way that makes it so."""
        amendment = Amendment.model_validate_json(body)
        try:
            return await self._ways[amendment.kind](amendment)
        except Retry as busy:  # from a look or an edit that is not committed
            return NotSent(str(busy), busy.after)
        except Reject as no:
            return Rejected(no.reasons)

    # -- the whole order -----------------------------------------------------------------------------------------

    async def _cancel(self, asked: Amendment) -> PutAnswer:
        if await self._cancelled(asked.order):
            return Accepted(asked.order)
        said = {"id": asked.order, "note": asked.words[:LONGEST_NOTE] or None}
        answer = await self._client.put("cancel", said, "job", errors="orderCancelUserErrors")
        if isinstance(answer, Accepted):
            return await self._ended(asked.order, answer)
        if isinstance(answer, Rejected) and await self._cancelled(asked.order):  # by a call of before, or by a person
            return Accepted(asked.order)
        return answer

    async def _cancelled(self, order: Ref) -> bool:
        """Raises Reject where the order is gone."""
        reply = await self._client.ask("order_standing", {"id": order}, share=Share.READ_BACK)
        with as_agreed("order_standing"):
            found = reply.data["order"]
            if found is None:
                raise Reject([GONE])
            return found["cancelledAt"] is not None

    async def _ended(self, order: Ref, job: Accepted) -> PutAnswer:
        """The job is under way whatever the looks at it come to; one that has ended is held against the order."""
        try:
            for pause in PAUSES:
                await anyio.sleep(pause)
                if await self._done(job.key):
                    return job if await self._cancelled(order) else Rejected(("Shopify's job has not cancelled it",))
        except BridgeError:
            return job
        return job

    async def _done(self, job: str) -> bool:
        reply = await self._client.ask("job", {"id": job}, share=Share.READ_BACK)
        with as_agreed("job"):
            found = reply.data["job"]
            return found is not None and bool(found["done"])

    # -- lines ---------------------------------------------------------------------------------------------------

    async def _reduce(self, asked: Amendment) -> PutAnswer:
        """A line that has fewer already is left as it is."""
        now = await self._pieces(asked.order)
        strange = [one.line for one in asked.lines if one.line not in now]
        if strange:
            return Rejected(tuple(f"the order has no line {line}" for line in strange))
        too_many = {one.line: now[one.line] - one.pieces for one in asked.lines if now[one.line] > one.pieces}
        if not too_many:
            return Accepted(asked.order)
        edit = await self._staged(asked.order, too_many)
        return await self._client.put("commit_edit", {"id": edit, "note": asked.words or None}, "order")

    async def _pieces(self, order: Ref) -> dict[Ref, int]:
        """By line. Raises Reject where the order is gone."""
        pages = self._client.slices("order_pieces", {"id": order}, "order", "lineItems", first=LINES_PAGE)
        try:
            lines = [node async for found, _ in pages for node in found.nodes]
        except Gone:
            raise Reject([GONE]) from None
        with as_agreed("order_pieces"):
            return {Ref(line["id"]): int(line["currentQuantity"]) for line in lines}

    async def _staged(self, order: Ref, too_many: Mapping[Ref, int]) -> str:
        """The edit that takes so many off each line, not committed. Raises Reject."""
        reply = await self._client.ask("begin_edit", {"id": order})
        with as_agreed("begin_edit"):
            edit = str(reply.data["orderEditBegin"]["calculatedOrder"]["id"])
        lines = await self._calculated(edit)
        for line, pieces in too_many.items():
            await self._stage(edit, line, lines.get(_number(line)), pieces)
        return edit

    async def _calculated(self, edit: str) -> dict[str, Data]:
        """The edit's own lines by their number, which is that of the order's line: the schema has nothing else that
        ties the two before a change is staged."""
        pages = self._client.slices("edited_lines", {"id": edit}, "node", "lineItems", first=LINES_PAGE)
        lines = [node async for found, _ in pages for node in found.nodes]
        with as_agreed("edited_lines"):
            return {_number(line["id"]): line for line in lines}

    async def _stage(self, edit: str, line: Ref, calculated: Data | None, pieces: int) -> None:
        """So many fewer than the edit says there are, whether it counts pieces that have left or not. Raises Reject
        where the change that it then shows is another one than was meant."""
        if calculated is None:
            raise Reject([f"Shopify's edit does not show line {line}"])
        with as_agreed("edited_lines"):
            asked = {"edit": edit, "line": calculated["id"], "quantity": calculated["quantity"] - pieces}
        reply = await self._client.ask("stage_quantity", asked)
        with as_agreed("stage_quantity"):
            shown = reply.data["orderEditSetQuantity"]["calculatedLineItem"]["stagedChanges"]
            staged = [(one["lineItem"]["id"], abs(one["delta"])) for one in shown if one["__typename"] == TAKEN_OFF]
        if staged != [(line, pieces)] or len(shown) != 1:
            raise Reject([f"Shopify's edit would not take {pieces} off line {line} alone"])

    # -- signs ---------------------------------------------------------------------------------------------------

    async def _mark(self, asked: Amendment) -> PutAnswer:
        return await self._client.put("mark", {"id": asked.order, "tags": [asked.mark]}, "node")


def _number(identifier: str) -> str:
    return identifier.rsplit("/", 1)[-1].split("?")[0]
