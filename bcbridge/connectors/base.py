"""What a room offers to the house. Rooms translate; they keep no state that a restart would miss.

Raised by every call over the wire: ``Retry``, ``OpenCircuit`` (errors.py); by ``read``: ``Malformed``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from bcbridge.model.answers import Accepted as Accepted
from bcbridge.model.answers import Doubtful as Doubtful
from bcbridge.model.answers import NotSent as NotSent
from bcbridge.model.answers import PutAnswer as PutAnswer
from bcbridge.model.answers import Rejected as Rejected
from bcbridge.model.catalog import CatalogSku, ShipVia, Warehouse
from bcbridge.model.changes import Amendment, AmendmentKind, Correction
from bcbridge.model.dispatch import Authorisation, AuthorisedMoney, Dispatch, DispatchView
from bcbridge.model.documents import Cursor as Cursor
from bcbridge.model.documents import Document as Document
from bcbridge.model.documents import Head as Head
from bcbridge.model.documents import Notification as Notification
from bcbridge.model.documents import Page as Page
from bcbridge.model.documents import Trouble as Trouble
from bcbridge.model.ids import ConnectorName, Noun, Ref, Reference
from bcbridge.model.order import Address, Order
from bcbridge.model.sales_order import BookedOrder, SalesOrder
from bcbridge.model.shipment import Shipment
from bcbridge.model.stock import (
    EvidenceRules,
    ShelfItem,
    ShelfLocation,
    ShelfPage,
    ShelfRules,
    StockChange,
    StockPage,
    StockWrite,
    Written,
)
from bcbridge.model.widths import Widths

T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class HeadList(Protocol):
    """One list that tells which records of a noun changed. Each has a cursor of its own in the store."""

    name: str
    """Within its source: ``updated``, ``fulfilment_orders``."""

    def pages(self, since: Cursor) -> AsyncIterator[Page]:
        """From ``since`` (with the room's overlap) to the present; ends when caught up. Stamps may repeat."""
        ...


class Source(Protocol[T_co]):
    """Something we read. Complete by its lists alone; notifications only make it faster."""

    noun: Noun
    lists: Sequence[HeadList]

    def sweep(self, created_from: datetime) -> AsyncIterator[Page]:
        """All records created at or after a moment, whatever their stamps: the nightly and weekly check."""
        ...

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        """The records as they are now; one that is gone over there is absent from the answer, or answered as
        ``gone`` where they still show as of when."""
        ...

    def read(self, document: Document) -> T_co:
        """Pure: their bytes to our record. Raises Malformed."""
        ...


class PersonalSource(Source[T_co], Protocol[T_co]):
    """A source whose documents are about people."""

    def about(self, document: Document) -> frozenset[str]:
        """Pure: whom it is about, as model/person.py writes them; so that they can be found and erased.

        Lenient: a document that ``read`` calls malformed is looked at all the same. Empty where nobody is named.
        """
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """The references asked for and every document the ERP holds under each, compared for equality on our side."""

    hits: Mapping[Reference, tuple[BookedOrder, ...]]


@dataclass(frozen=True, slots=True)
class Unproven:
    """The search cannot be trusted to show absence (no control, filter ignored): absent means nothing."""

    reason: str
    hits: Mapping[Reference, tuple[BookedOrder, ...]]


@dataclass(frozen=True, slots=True)
class PostingRules:
    """What a profile says about how its ERP posts what it accepted.

    ``max_request``: how long a gateway may still hold a call that we lost. ``posting_window``: accepted and not
    posted for longer is an incident. ``at_once``: how many documents may be made at the same time.
    """

    max_request: timedelta = timedelta(seconds=300)
    posts_in_order: bool = False
    posting_window: timedelta = timedelta(hours=4)
    confirm_by_reference_after: timedelta = timedelta(minutes=10)
    at_once: int = 1


class Sink(Protocol[T_contra]):
    """Documents we make, each once."""

    name: str
    """As ``bluecherry.orders``: what an operator confirms for production."""
    read_back: str
    """How a document is found again, in words: ``sales orders by po_num``; confirmed together with the write."""
    rules: PostingRules

    def render(self, item: T_contra) -> bytes:
        """Pure: the exact body of the call that makes this document."""
        ...

    async def put(self, body: bytes) -> PutAnswer:
        """Send those bytes once. Never retries by itself; raises OpenCircuit only where nothing was kept."""
        ...

    async def find(self, references: Sequence[Reference]) -> Found | Unproven:
        """Read back by reference, with a control and a nonsense reference in the same session.

        ``Found`` lists every reference asked for, absent ones with an empty tuple: this absence counts.
        """
        ...

    def posted(self, since: Cursor) -> AsyncIterator[PostedPage]:
        """The delta list of posted documents: confirming costs no call per order."""
        ...

    def differences(self, body: bytes, booked: BookedOrder) -> tuple[str, ...]:
        """Pure: what the ERP holds against what was sent, each difference in words; empty when equal."""
        ...

    def sent_to(self, body: bytes) -> str:
        """Pure: the fingerprint of the ship-to address of a body, as ``BookedOrder.ship_to`` has it."""
        ...

    def goes_to(self, address: Address) -> str:
        """Pure: the fingerprint that this address would have, sent and read back."""
        ...


@dataclass(frozen=True, slots=True)
class PostedPage:
    orders: tuple[BookedOrder, ...]
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class ShipmentPage:
    """``odd``: shipments that could not be read: why, by their keys over there."""

    shipments: tuple[Shipment, ...]
    cursor: Cursor
    odd: Mapping[str, str] = field(default_factory=dict)


class ShipmentFeed(Protocol):
    """What left the ERP's warehouses, whoever's order it was."""

    def changed(self, since: Cursor) -> AsyncIterator[ShipmentPage]:
        """From a cursor (with the room's overlap) to the present; "" begins some days back. Shipments may repeat."""
        ...

    async def of(self, reference: Reference) -> tuple[Shipment, ...]:
        """All shipments of one sales order as they are now, void ones too. Raises Malformed where one cannot be read:
        what is left out would not be dispatched."""
        ...


class Retracks(Protocol):
    """How a channel is told other tracking numbers of what it shows."""

    def render(self, shown: Ref, dispatch: Dispatch) -> bytes:
        """Pure: the exact body; ``shown`` is the fulfilment, of the dispatch only numbers and company count."""
        ...

    async def put(self, body: bytes) -> PutAnswer:
        """A level: told twice is as told once. ``Accepted`` repeats the fulfilment's ref."""
        ...


class Dispatches(Protocol):
    """What a channel is told of pieces that left."""

    name: str
    """As ``shopify_us.dispatches``: what an operator confirms for production."""
    retracks: Retracks | None
    """None where numbers stand as they were told."""

    async def look(self, ref: Ref) -> DispatchView | None:
        """One order's dispatches as they are shown now; None where the order is gone."""
        ...

    def render(self, dispatch: Dispatch) -> bytes:
        """Pure: the exact body of the call that tells it."""
        ...

    async def put(self, body: bytes) -> PutAnswer:
        """Tell it once; ``Accepted`` says that it is shown from now on. Never retries by itself; raises OpenCircuit
        only where nothing was changed."""
        ...


class Captures(Protocol):
    """How a channel is asked for money that is authorised. It moves once: whoever asks has looked, and looks again
    before what had no answer is asked for again."""

    name: str
    """As ``shopify_us.captures``: what an operator confirms for production."""

    async def look(self, ref: Ref) -> AuthorisedMoney | None:
        """What of one order's money is authorised and not captured now; None where the order is gone."""
        ...

    def render(self, authorisation: Authorisation) -> bytes:
        """Pure: the exact body of the call that captures it, as the last of this authorisation."""
        ...

    async def put(self, body: bytes) -> PutAnswer:
        """Ask for it once; ``Accepted`` also where the channel or the gateway does it a little later. Never retries by
        itself; raises OpenCircuit only where no money was moved."""
        ...


class Amendments(Protocol):
    """What a channel takes of changes that the ERP made, and of marks."""

    name: str
    """As ``shopify_us.amendments``: what an operator confirms for production."""
    can: frozenset[AmendmentKind]
    """What this channel has a safe way for."""

    def render(self, amendment: Amendment) -> bytes:
        """Pure: which order is to be made what."""
        ...

    async def put(self, body: bytes) -> PutAnswer:
        """Ask for it once; ``Accepted`` also where it is so already. A level: it may be asked for again after doubt.
        Never retries by itself; raises OpenCircuit only where nothing was changed."""
        ...


class Corrections(Protocol):
    """What the ERP takes of changes that a channel made, by the write that its profile names for them."""

    name: str
    """As ``bluecherry.changes``: what an operator confirms for production."""

    def render(self, correction: Correction) -> bytes:
        """Pure: the exact body."""
        ...

    async def put(self, body: bytes) -> PutAnswer:
        """As Amendments.put: a level. ``Rejected`` where pieces have gone further than that (picked, left)."""
        ...


class StockFeed(Protocol):
    """The ERP's figures. Figures of real stock alone: no pseudo-location, no lot or warehouse that is left out."""

    rules: EvidenceRules

    def changed(self, since: Cursor) -> AsyncIterator[StockPage]:
        """Rows changed since a mark (with the room's overlap); "" asks for everything. Rows may repeat."""
        ...

    def everything(self) -> AsyncIterator[StockPage]:
        """Every row, whatever its stamp. Only after its last page, and if that says ``whole``, is absent zero."""
        ...

    async def set_echo(self, count: int) -> None:
        """Count the echo SKU anew, where the profile names one; Misconfigured where it does not."""
        ...


class Shelf(Protocol):
    """The numbers a channel shows."""

    rules: ShelfRules

    async def ready(self) -> ShelfRules:
        """Look at what the channel says of how it counts (settings, locations), before the first write and daily."""
        ...

    async def locations(self) -> Sequence[ShelfLocation]: ...

    def items(self) -> AsyncIterator[ShelfPage]:
        """Every item at every location that is enabled, as it stands now."""
        ...

    async def look(self, changes: Sequence[StockChange]) -> Sequence[ShelfItem | None]:
        """These rows as they stand now, in their order; None where the channel has no such item."""
        ...

    def batches(self, changes: Sequence[StockChange]) -> Sequence[Sequence[StockChange]]:
        """Pure: the same rows in their order, cut into what one call may carry (per parent, per location, at most)."""
        ...

    async def write(self, write: StockWrite) -> Written | Doubtful | NotSent:
        """Make one call. Never retries by itself; raises OpenCircuit only where nothing was changed."""
        ...


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request at the webhook's door, untouched. Header names lower-case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """Not let in: the HTTP status to answer and why, for a counter. Nothing is stored."""

    status: int
    reason: str


class Webhook(Protocol):
    """Something that calls us. Pure: verification in constant time over the raw request."""

    def open(self, request: RawRequest) -> Notification | Refused: ...


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``doctor``: what was looked at, what was found, what to do."""

    severity: Severity
    topic: str
    text: str
    fix: str = ""


class Connector(Protocol):
    """One configured instance of one system. It offers its nouns as attributes; what it lacks it does not have."""

    name: ConnectorName
    kind: str

    async def ping(self) -> None:
        """The cheapest call that proves the credentials; never writes."""
        ...

    async def doctor(self) -> list[Finding]: ...

    async def aclose(self) -> None: ...


class Keeper(Protocol):
    """Looks after what must stand over there for us to be called: webhook subscriptions."""

    async def keep(self, public_url: str) -> list[Finding]:
        """Create what is missing, repair what points elsewhere, remove our own strays; says what it did.

        With an empty ``public_url`` none can exist: says so (polling alone is complete) and writes nothing.
        """
        ...


class Channel(Connector, Protocol):
    """A connector that sells."""

    orders: PersonalSource[Order]
    webhook: Webhook
    keeper: Keeper
    stock: Shelf
    dispatches: Dispatches
    captures: Captures | None
    """None where the channel has no call for it."""
    amendments: Amendments


class Erp(Connector, Protocol):
    """A connector that keeps the books."""

    styles: Source[tuple[CatalogSku, ...]]
    warehouses: Source[Warehouse]
    ship_vias: Source[ShipVia]
    sales_orders: Sink[SalesOrder]
    shipments: ShipmentFeed
    corrections: Corrections | None
    """None where the profile names no write for them."""
    stock: StockFeed
    widths: Widths


@dataclass(frozen=True, slots=True)
class Tools:
    """What the house hands a room when it is built: the world comes in as arguments."""

    now: Callable[[], datetime]
    """The present, aware, UTC."""
    secret: Callable[[str], str]
    """Resolves a reference (``env:NAME``, ``file:PATH``) to its value; raises Misconfigured."""
    since: datetime | None = None
    """Where a list without a cursor begins (the go-live boundary); None: at its first record."""
