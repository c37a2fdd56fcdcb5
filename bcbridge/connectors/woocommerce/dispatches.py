"""Dispatches told to a shop: as fulfilments of its own, or as pieces in the order's meta data with what the shopper is
to see beside them, a tracking each number or a note each parcel (contract 1.6). At the end the order is completed.

Nothing in the shop guards against doubles: whoever tells looks before, and again before repeating what had no answer.
Pieces come first, and alone say what has left; trackings, notes and the status are what a look finds still missing.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from bcbridge.connectors.base import Retracks
from bcbridge.connectors.budget import Share
from bcbridge.connectors.woocommerce import parcels, wire
from bcbridge.connectors.woocommerce.answers import Data, Gone, NoRoute, NotAllowed, NotTaken, as_object
from bcbridge.connectors.woocommerce.client import API, Client, OddAnswer, Reply, as_agreed
from bcbridge.connectors.woocommerce.means import TRACKINGS, Inquiry, Means
from bcbridge.connectors.woocommerce.orders import ID, MOST_REFUNDS
from bcbridge.connectors.woocommerce.parcels import META, Parcel
from bcbridge.connectors.woocommerce.payment import CANCELLED, COMPLETED, REFUNDED
from bcbridge.connectors.woocommerce.settings import Tracking, WooCommerceSettings
from bcbridge.errors import Retry
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.dispatch import Dispatch, DispatchView, Fulfillable, Fulfilment
from bcbridge.model.ids import Ref
from bcbridge.model.order import Hold

FIELDS = "id,status,meta_data,line_items,refunds"
OVER = frozenset({CANCELLED, REFUNDED, "failed", "trash"})
WAITING = frozenset({"pending", "on-hold", "checkout-draft", "auto-draft"})
"""Nobody is to ship these, unless they are booked as they are."""
PROCESSING = "processing"
EXTENSION = f"/wp-json/{TRACKINGS}"
STALE = timedelta(hours=1)
"""For so long a cache in front of the shop may show it as it was."""
FULFILMENTS = "/fulfillments"
MAY_NOT = (
    "fulfilments are for whoever may manage WooCommerce (403): make the keys for a shop manager or an administrator"
)
NOT_THERE = "the shop has no such route: switch the feature or the extension on again, or set tracking"
NO_ORDER = "the shop has no such order any more"


class Unseen(Exception):
    """What the shop shows of an order's dispatches cannot be seen, and why."""


class Dispatches:
    """``woocommerce.dispatches``. ``name``: what an operator confirms for production."""

    def __init__(
        self, name: str, client: Client, settings: WooCommerceSettings, inquiry: Inquiry, now: Callable[[], datetime]
    ) -> None:
        self.name = name
        self.retracks: Retracks | None = None
        self._client = client
        self._settings = settings
        self._inquiry = inquiry
        self._now = now
        self._finished: dict[bytes, datetime] = {}
        self._held = WAITING.difference(settings.import_statuses)
        partial = filter(None, (settings.partial_status,))
        self._open = {PROCESSING, *settings.import_statuses, *partial} - OVER - WAITING - {COMPLETED}

    # -- looking

    async def look(self, ref: Ref) -> DispatchView | None:
        """One order as it stands now; None where it is gone. Where its dispatches cannot be seen it is held, and says
        why: one right that is missing closes no connection."""
        order = await self._order(ref)
        if order is None:
            return None
        try:
            return await self._view(order, await self._inquiry.means())
        except (Unseen, OddAnswer):
            self._inquiry.forget()
        try:
            return await self._view(order, await self._inquiry.means())
        except (Unseen, OddAnswer) as why:
            hold = Hold(reason=str(why))
            return DispatchView(ref=ref, cancelled=False, fulfilments=(), fulfillable=(), holds=(hold,))

    async def _view(self, order: wire.Sold, means: Means) -> DispatchView:
        if means.way is Tracking.SHIPMENT_TRACKING and not means.trackings:
            raise Unseen(NOT_THERE)
        ref, kept = Ref(str(order.id)), _kept(order)
        shown = [parcels.of_parcel(ref, number, one) for number, one in enumerate(kept, 1)]
        if means.way is Tracking.FULFILLMENTS:
            shown += await self._fulfilments(order, means)
        waiting = _waiting(order, await self._given_back(order), shown)
        over, held = order.status in OVER, order.status in self._held
        due = [] if over or held else await self._due(order, kept, means, _left(waiting, shown))
        return DispatchView(
            ref=ref,
            cancelled=over,
            fulfilments=tuple(shown),
            fulfillable=() if over or held else waiting,
            holds=(Hold(reason=f"status {order.status}"),) if held else (),
            unfinished=tuple(self._not_finished(due)),
            again=True,
        )

    async def _order(self, ref: Ref) -> wire.Sold | None:
        if not ID.fullmatch(ref):
            return None
        try:
            reply = await self._client.ask(f"/orders/{ref}", {"_fields": FIELDS}, share=Share.READ_BACK)
        except Gone:
            return None
        with as_agreed("/orders/{id}"):
            return wire.Sold.model_validate(reply.content)

    async def _given_back(self, order: wire.Sold) -> Mapping[int, int]:
        if not order.refunds:
            return {}
        try:
            found = await self._client.every_row(f"/orders/{order.id}/refunds", most=MOST_REFUNDS)
        except Gone:
            raise Unseen(NO_ORDER) from None
        with as_agreed("/orders/{id}/refunds"):
            return parcels.back_by_line(wire.SoldBack.model_validate(one) for one in found)

    async def _fulfilments(self, order: wire.Sold, means: Means) -> list[Fulfilment]:
        content = await self._seen(f"/orders/{order.id}{FULFILMENTS}")
        with as_agreed("/orders/{id}/fulfillments"):
            return list(parcels.of_fulfilments(parcels.listed(content), means.zone))

    async def _seen(self, path: str, *, base: str = API) -> object:
        """Raises Unseen where it is not there, or not for us."""
        try:
            return (await self._client.ask(path, base=base, share=Share.READ_BACK)).content
        except NoRoute:
            raise Unseen(NOT_THERE) from None
        except NotAllowed as denied:
            raise Unseen(_denied(path, denied)) from None
        except Gone:
            raise Unseen(NO_ORDER) from None

    # -- what is still due

    async def _due(self, order: wire.Sold, kept: Sequence[Parcel], means: Means, left: bool | None) -> list[Data]:
        """``left``: whether everything has, or (None) nothing has. The status comes last, and only when nothing else is
        missing: whoever completes an order mails what the shop shows by then."""
        missing = [*await self._untracked(order, kept, means), *await self._unnoted(order, kept)]
        return missing or self._status(order, left)

    async def _untracked(self, order: wire.Sold, kept: Sequence[Parcel], means: Means) -> list[Data]:
        """An extension that is not there any more is told nothing."""
        if not means.trackings or not any(one.numbers for one in kept if one.way is Tracking.SHIPMENT_TRACKING):
            return []
        content = await self._seen(f"/orders/{order.id}/shipment-trackings", base=EXTENSION)
        with as_agreed("shipment-trackings"):
            found = parcels.untracked(kept, map(as_object, parcels.rows(content)))
            return [{"call": "tracking", "order": order.id, "body": one} for one in found]

    async def _unnoted(self, order: wire.Sold, kept: Sequence[Parcel]) -> list[Data]:
        if not any(one.way is Tracking.NOTE for one in kept):
            return []
        content = await self._seen(f"/orders/{order.id}/notes")
        with as_agreed("/orders/{id}/notes"):
            texts = [str(one["note"]) for one in parcels.rows(content)]
            found = parcels.unnoted(order, kept, texts, self._settings.dispatch_note)
            return [{"call": "note", "order": order.id, "body": one} for one in found]

    def _status(self, order: wire.Sold, left: bool | None) -> list[Data]:
        """Only from a status in which an order waits to be shipped."""
        wanted = {True: COMPLETED, False: self._settings.partial_status, None: None}[left]
        if wanted is None or order.status == wanted or order.status not in self._open:
            return []
        return [{"call": "status", "order": order.id, "body": {"status": wanted}}]

    def _not_finished(self, due: Iterable[Data]) -> Iterable[bytes]:
        """Without what this shop has just taken: a cache in front of it may show it as it was, and a shopper would be
        mailed at every look."""
        since = self._now() - STALE
        self._finished = {body: at for body, at in self._finished.items() if at > since}
        bodies = (json.dumps(one, ensure_ascii=False).encode() for one in due)
        return (body for body in bodies if body not in self._finished)

    # -- telling

    def render(self, dispatch: Dispatch) -> bytes:
        """Pure: the pieces and what is told of them; `put` makes the call of it that this shop takes."""
        said = {"call": "dispatch", "order": int(dispatch.order), "body": parcels.told(dispatch)}
        return json.dumps(said, ensure_ascii=False).encode()

    async def put(self, body: bytes) -> PutAnswer:
        """One write. A refusal changes nothing: each is one save, or one row."""
        said = json.loads(body)
        calls: Mapping[str, Callable[[str, Data], Awaitable[PutAnswer]]] = {
            "dispatch": self._dispatch,
            "tracking": self._track,
            "note": self._note,
            "status": self._mark,
        }
        try:
            answer = await calls[said["call"]](f"/orders/{said['order']}", said["body"])
        except Retry as busy:  # what was read before the write
            return NotSent(str(busy), busy.after)
        if isinstance(answer, Accepted) and said["call"] != "dispatch":
            self._finished[body] = self._now()
        return answer

    async def _dispatch(self, path: str, said: Data) -> PutAnswer:
        means = await self._inquiry.means()
        if means.way is not Tracking.FULFILLMENTS:
            return await self._keep(path, said, means.way)
        answer = await self._written(path + FULFILMENTS, parcels.fulfilment(said))
        return _receipt(answer, lambda content: parcels.made(content)["id"])

    async def _keep(self, path: str, said: Data, way: Tracking) -> PutAnswer:
        """The whole list with one more, in one save. Told late it is the list as it was to be then: nothing twice."""
        order = await self._order(Ref(path.rpartition("/")[2]))
        if order is None:
            return Rejected((NO_ORDER,))
        kept = [one.body for one in _kept(order)]
        new = Parcel.model_validate({**said, "way": way, "at": self._now()}).body
        answer = await self._written(path, {"meta_data": [{"key": META, "value": [*kept, new]}]}, method="PUT")
        return _receipt(answer, lambda content: _last(content, len(kept) + 1))

    async def _track(self, path: str, said: Data) -> PutAnswer:
        answer = await self._written(f"{path}/shipment-trackings", said, base=EXTENSION)
        return _receipt(answer, lambda content: as_object(content)["tracking_number"])

    async def _note(self, path: str, said: Data) -> PutAnswer:
        answer = await self._written(f"{path}/notes", said)
        return _receipt(answer, lambda content: as_object(content)["id"])

    async def _mark(self, path: str, said: Data) -> PutAnswer:
        """A plugin may not let it stand: that is a no, or it would be asked for again and again."""
        answer = _receipt(await self._written(path, said, method="PUT"), lambda content: as_object(content)["status"])
        if isinstance(answer, Accepted) and answer.key != said["status"]:
            return Rejected((f"the shop made of {said['status']}: {answer.key}",))
        return answer

    async def _written(self, path: str, body: Data, *, method: str = "POST", base: str = API) -> Reply | PutAnswer:
        """Every no in words of ours. A route that went is a no without effect: the next look finds another way."""
        try:
            return await self._client.write(path, body, method=method, base=base, share=Share.NORMAL)
        except NoRoute as gone:
            self._inquiry.forget()
            return NotSent(str(gone))
        except NotAllowed as denied:
            return Rejected((_denied(path, denied),))
        except Gone:
            return Rejected((NO_ORDER,))
        except NotTaken as refused:
            return Rejected((str(refused),))


def _denied(path: str, denied: NotAllowed) -> str:
    return MAY_NOT if path.endswith(FULFILMENTS) else str(denied)


def _kept(order: wire.Sold) -> tuple[Parcel, ...]:
    with as_agreed(META):
        return parcels.parcels(order)


def _last(content: object, number: int) -> str:
    """The receipt of a list of so many. A shop that did not keep them all has not taken the last."""
    order = wire.Sold.model_validate(content)
    if len(parcels.parcels(order)) < number:
        raise ValueError("the list was not kept")
    return f"{order.id}/{number}"


def _receipt(answer: Reply | PutAnswer, key: Callable[[object], object]) -> PutAnswer:
    """A yes that does not show what it made may be none."""
    if not isinstance(answer, Reply):
        return answer
    try:
        with as_agreed("what was told"):
            return Accepted(str(key(answer.content)))
    except OddAnswer as odd:
        return Doubtful(str(odd))


def _waiting(order: wire.Sold, back: Mapping[int, int], shown: Sequence[Fulfilment]) -> tuple[Fulfillable, ...]:
    """Of each line what was sold, less what was given back and what is shown as left."""
    found = []
    for line in order.line_items:
        ref = Ref(str(line.id))
        left = sum(one.pieces for parcel in shown for one in parcel.lines if one.line == ref)
        pieces = line.quantity - back.get(line.id, 0) - left
        if pieces > 0:
            found.append(Fulfillable(group=ref, item=ref, line=ref, location=None, pieces=pieces))
    return tuple(found)


def _left(waiting: Sequence[Fulfillable], shown: Sequence[Fulfilment]) -> bool | None:
    """Whether everything has left; None where nothing has."""
    return not waiting if any(one.pieces for parcel in shown for one in parcel.lines) else None
