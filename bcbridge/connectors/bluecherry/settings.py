"""What a person sets for one BlueCherry, and the profile: everything that differs by customer (NOTES.md 7.1, 7.2).

Field widths, resource names, code values and most field names of the order resources are not public. Each has a
default here: a documented name where there is one, otherwise our assumption, listed in ASSUMED_NAMES and this room's
README. ``aliases`` say what a customer's BlueCherry calls them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from bcbridge.connectors.base import PostingRules
from bcbridge.connectors.bluecherry.clock import ErpClock, QuietWindow
from bcbridge.connectors.bluecherry.ledger import COMPONENTS, PLACED
from bcbridge.model.ids import Upc
from bcbridge.model.stock import Evidence, EvidenceRules
from bcbridge.model.widths import Widths

ORDER = "order"
INVENTORY = "inventory"
INVOICE = "invoice"
COUNT = "count"
CHANGES = "changes"
RESOURCES = ("pick", "style", "location", "shipper", ORDER, INVOICE, INVENTORY, COUNT, CHANGES)
BUCKETS = 24
BUCKET_NAMES = ("size{:02}_qty", "call{:02}", "upc{:02}", "sz{:02}")
"""A size's quantity, whether it is live, its UPC and what it is called, in a row of buckets; the last two assumed."""

ASSUMED_NAMES: Mapping[str, frozenset[str]] = {
    "style": frozenset({"active_ok", "last_mod"}),
    "location": frozenset(),
    "shipper": frozenset(),
    ORDER: frozenset(
        {
            *("ord_qty", "start_date", "terms", "tax_code", "cust_group", "phone", "last_mod"),
            *("open_qty", "pick_qty", "inv_qty", "cxl_qty"),
            *("orderdetail", "orderaddress", "orderdiscount", "ordercharge"),
            *("allow_code", "charge_code", "amount"),
            # documented for the pick ticket, assumed to be called the same on an order (NOTES.md 7.4)
            *("po_num", "altpo", "ord_num", "ord_status", "ord_type", "customer", "division", "department", "season"),
            *("location", "shipper", "end_date", "curr_code", "tax_amt", "frgt_amt", "disc_amt", "misc_amt", "notes"),
        }
    ),
    INVOICE: frozenset(
        {
            *("invoicedetail", "invoicecarton", "inv_qty", "line_seq", "upc", "location", "track_no", "void"),
            *("inv_num", "ord_num", "po_num", "ship_date", "shipper", "last_mod"),
        }
    ),
    INVENTORY: frozenset(
        {
            *("upc", "location", "lot", "last_mod", "ots", "qoh", "pick_qty", "ots_wip", "rec_type"),
            *COMPONENTS,
            PLACED,
            *(name.format(number) for name in BUCKET_NAMES for number in range(1, BUCKETS + 1)),
        }
    ),
}
"""Names of ours that a customer's BlueCherry may call differently, by resource."""


class Section(BaseModel):
    """Frozen, strict, nothing unknown: a misspelt setting is an error."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def _checked_aliases(aliases: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    for resource, names in aliases.items():
        if resource not in ASSUMED_NAMES:
            raise ValueError(f"no resource {resource}; known here: {', '.join(ASSUMED_NAMES)}")
        unknown = sorted(set(names) - ASSUMED_NAMES[resource])
        if unknown:
            raise ValueError(f"{', '.join(unknown)} of {resource} cannot be renamed: documented, or unknown here")
        if len(set(names.values())) < len(names):
            raise ValueError(f"two names of {resource} have the same alias")
    return aliases


STOCK_PAGE = 250
Proof = Annotated[Evidence, Field(strict=False)]
Names = Annotated[tuple[str, ...], Field(strict=False)]
Aliases = Annotated[dict[str, dict[str, str]], AfterValidator(_checked_aliases)]
Path = Annotated[str, Field(pattern=r"^/[A-Za-z0-9_/.-]+$")]


class Paths(Section):
    """Resource paths below the base address. Letter case is mixed, as documented (NOTES.md 1, 7.3)."""

    pick: Path = "/api/pick"
    style: Path = "/api/style"
    location: Path = "/api/Location"
    shipper: Path = "/api/Shipper"
    order: Path = "/api/order"
    """Assumed."""
    invoice: Path = "/api/invoice"
    """Assumed."""
    inventory: Path = "/api/inventory"
    """Assumed."""
    count: Path = "/api/PhysicalInventoryTM"
    """A stock count, posted; only for the echo (``echo_sku``)."""


class EchoSku(Section):
    """A SKU that nobody sells, whose count we may set: seen again among the figures, it dates them.

    Its parts are those of its style in BlueCherry; what is empty there is left empty here.
    """

    upc: Annotated[str, Field(min_length=1)]
    warehouse: Annotated[str, Field(min_length=1)]
    division: str = ""
    style: str = ""
    color_code: str = ""
    lbl_code: str = ""
    dimension: str = ""
    size_desc: str = ""
    season: str = ""


class Profile(Section):
    """One customer's BlueCherry. Every value has a default; what is assumed is confirmed by an operator."""

    paths: Paths = Paths()
    page_parameter: str = "_pgno"
    page_size_parameter: str = "_pgsize"
    include_parameter: str = "_include"
    filter_parameter: str = "$filter"
    environment_parameter: str = "env"
    """Used where environment_code_placement is "query"; assumed."""
    filter_date_format: str = "%Y-%m-%d %H:%M:%S"
    write_date_format: str = "%m/%d/%Y"
    amounts_as: Literal["number", "text"] = "number"
    """How money is written: a JSON number of exactly our digits, or the same digits in quotes."""
    aliases: Aliases = {}
    """``{order = {ord_qty = "qty_ordered"}}``: what this BlueCherry calls what we know under an assumed name."""

    warehouse_type: str = "W"
    """``loc_type`` of a location that holds stock; empty: all locations."""
    locations_ignored: Names = ("POE", "FOB", "")
    """Not real stock (NOTES.md 2.4)."""
    active_flags: Names = ("active_ok",)
    """A SKU is active when each of these, on size, detail or header, is Y or absent."""
    price_field: str = "retail_price"
    """The list price, on size, detail or header row, whichever has it first; empty: none is read. The load template
    knows a retail price (NOTES.md 2.3); that the API calls it so is assumed."""

    order_status: str = ""
    """``ord_status`` that we write; empty: left to the ERP."""
    order_type: str = ""
    """``ord_type`` where a mapping names none; empty: left to the ERP."""
    statuses_not_posted: Names = ()
    """``ord_status`` of orders that the ERP lists before they are posted; by default what is listed is posted."""
    statuses_commit: Names = ()
    """``ord_status`` of orders that take stock off what is open to sell; empty: every one that is posted."""
    statuses_not_committing: Names = ()
    """``ord_status`` of orders that do not, as a held one may not: until it changes, such an order is counted by us."""
    order_changes: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$")] = ""
    """The resource that takes corrections of booked orders, as ``orderchange``; none is documented, so empty: what a
    channel changes later is a person's to change. Assumed with all of its shape."""
    posts_in_order: bool = False
    """Whether the ERP posts what it accepted in the order it accepted it; only an operator can know."""
    widths: Widths = Widths()
    unverified: Names = (ORDER, INVOICE, INVENTORY, COUNT, CHANGES)
    """Resources nobody has confirmed against this customer's BlueCherry: their writes wait in production."""

    stock_evidence: Annotated[tuple[Proof, ...], Field(strict=False, min_length=1)] = (Evidence.EXPORT_WRITTEN,)
    """What says when a figure was taken (docs/stock.md); ``doctor`` measures which of them this ERP allows."""
    stock_build_seconds: NonNegativeFloat = 600.0
    """The longest an export takes from its first figure to its last."""
    stock_max_age_seconds: PositiveFloat = 7_200.0
    """No figure that the ERP gives is older than this; used by the evidence ``max_age`` alone."""
    stock_replica_behind_seconds: NonNegativeFloat = 0.0
    """How much older the figures of a page may be than those of one read before it, where replicas answer; 0: pages
    never go back in time. With it, it must cover the lag and a cycle."""
    stock_loss_percent: Annotated[int, Field(ge=1, le=100)] = 20
    """Of the SKUs with stock: a pull in which more of them fall to none is not stored before a person has looked."""
    clock_skew_seconds: NonNegativeFloat = 5.0
    """The greatest difference between the ERP's clock and ours."""
    stock_cycle_seconds: PositiveFloat | None = None
    """How often figures are published, where it is known; otherwise it is found out."""
    stock_export_field: str = ""
    """The column, or the field beside ``data``, that stamps the publication a row comes from. The evidence
    ``export_start`` needs it to be the start of the build."""
    stock_rows: Literal["exploded", "buckets"] = "exploded"
    """A row per size, or one with ``size01_qty`` to ``size24_qty``; ``call01`` to ``call24`` say which of them live.
    Where such a row names no UPC (``upc01`` ...), it is that of the style's size ``sz01`` ..."""
    stock_bucket_number: Literal["ots", "qoh_minus_pick", "rec_type"] = "ots"
    """What the quantities of such a row are. ``rec_type``: the row says it itself, one row for each transaction type of
    the ledger (``SA``, ``OP``, ...) or each number (``OTS``, ...). Only a whole pull tells figures then: there is none
    of what changed."""
    stock_locations: Names = ()
    """The locations that hold stock; empty: every one that is not left out below or by ``locations_ignored``."""
    locations_not_for_sale: Names = ()
    """Returns, quarantine, damaged goods: real, and none of it to be sold."""
    lots_ignored: Names = ()
    echo_sku: EchoSku | None = None
    """For the evidence ``echo``: bcbridge writes counts of this SKU, and of no other."""
    stock_watch_seconds: NonNegativeFloat = 8.0
    """How long ``doctor`` watches the figures, to see what moves."""

    @model_validator(mode="after")
    def _known_resources(self) -> Profile:
        unknown = sorted(set(self.unverified) - set(RESOURCES))
        if unknown:
            raise ValueError(f"unverified names no resource: {', '.join(unknown)}; known: {', '.join(RESOURCES)}")
        return self

    @model_validator(mode="after")
    def _evidence_has_what_it_needs(self) -> Profile:
        if Evidence.EXPORT_START in self.stock_evidence and not self.stock_export_field:
            raise ValueError('stock_evidence "export_start" needs stock_export_field: where that stamp stands')
        if (Evidence.ECHO in self.stock_evidence) != (self.echo_sku is not None):
            raise ValueError('stock_evidence "echo" and echo_sku go together')
        return self

    @property
    def changes_path(self) -> str:
        """As every resource's, below the base address (NOTES.md 1)."""
        return f"/api/{self.order_changes}"

    @property
    def by_type(self) -> bool:
        """Whether each row of figures is one transaction type of the ledger."""
        return self.stock_rows == "buckets" and self.stock_bucket_number == "rec_type"

    @property
    def evidence(self) -> EvidenceRules:
        echo = self.echo_sku
        return EvidenceRules(
            kinds=self.stock_evidence,
            build=timedelta(seconds=self.stock_build_seconds),
            max_age=timedelta(seconds=self.stock_max_age_seconds),
            skew=timedelta(seconds=self.clock_skew_seconds),
            behind=timedelta(seconds=self.stock_replica_behind_seconds),
            loss_percent=self.stock_loss_percent,
            echo=(Upc(echo.upc), echo.warehouse) if echo else None,
            cycle=timedelta(seconds=self.stock_cycle_seconds) if self.stock_cycle_seconds else None,
        )

    def commits(self, status: str) -> bool:
        """Whether an order of this status takes stock."""
        return status not in self.statuses_not_committing and (
            not self.statuses_commit or status in self.statuses_commit
        )


def _checked_base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an address as https://examplebcapi.azure-api.net/EXAMPL, without query or user")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError("must be https: the key goes with every call")
    return url.rstrip("/")


def _checked_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone of the IANA list, as America/New_York") from None
    return name


def _checked_windows(windows: tuple[str, ...]) -> tuple[str, ...]:
    for window in windows:
        try:
            QuietWindow.parse(window)
        except ValueError:
            raise ValueError("a quiet window must be two times of day, as 00:00-01:30") from None
    return windows


class BlueCherrySettings(Section):
    """One BlueCherry connection in config.toml."""

    base_url: Annotated[str, AfterValidator(_checked_base)]
    """Gateway host and merchant code: ``https://examplebcapi.azure-api.net/EXAMPL``."""
    environment_code: str = ""
    """The staging or production code, where one goes with each call (NOTES.md 1)."""
    environment_code_placement: Literal["none", "path", "query"] = "none"
    subscription_key: str
    """A reference to the key, ``env:NAME``, ``file:PATH`` or ``credential:NAME``, never the key."""
    key_header_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "Ocp-Apim-Subscription-Key"
    erp_timezone: Annotated[str, AfterValidator(_checked_zone)]
    """The zone of the ERP's stamps, as America/New_York. The ERP does not say it, and a wrong one loses changes."""
    requests_per_minute: PositiveFloat = 60.0
    max_concurrency: Annotated[int, Field(ge=1, le=16)] = 1
    request_timeout_seconds: Annotated[float, Field(ge=1, le=300)] = 30.0
    max_request_seconds: PositiveFloat = 300.0
    """How long a gateway may still hold a call that we gave up."""
    page_size: PositiveInt = 100
    page_size_max: PositiveInt = 200
    delta_overlap_seconds: Annotated[float, Field(ge=1)] = 300.0
    quiet_windows: Annotated[Names, AfterValidator(_checked_windows)] = ()
    """Times of the ERP's day in which no call is made, as ``00:00-01:30``."""
    posting_window_hours: PositiveFloat = 4.0
    """Accepted and not posted for longer than this is an incident that a person ends."""
    confirm_by_reference_minutes: PositiveFloat = 10.0
    """What the list of posted orders did not show for so long is asked for by its reference."""
    recent_days: PositiveInt = 7
    """How far back the ERP's orders are listed at a first start."""
    profile: Profile = Profile()

    @model_validator(mode="after")
    def _consistent(self) -> BlueCherrySettings:
        if self.page_size > self.page_size_max:
            raise ValueError("page_size must not be above page_size_max")
        if (self.environment_code_placement == "none") != (not self.environment_code):
            raise ValueError("environment_code and environment_code_placement go together")
        return self

    @property
    def read_back(self) -> str:
        """How a sales order is found again, in words."""
        return f"sales orders by po_num on {self.profile.paths.order}"

    @property
    def changes_read_back(self) -> str:
        """How a correction is seen to have been made, in words."""
        return f"cancelled pieces of each row, and the ship-to address, on {self.profile.paths.order}"

    @property
    def rules(self) -> PostingRules:
        return PostingRules(
            max_request=timedelta(seconds=self.max_request_seconds),
            posts_in_order=self.profile.posts_in_order,
            at_once=self.max_concurrency,
            posting_window=timedelta(hours=self.posting_window_hours),
            confirm_by_reference_after=timedelta(minutes=self.confirm_by_reference_minutes),
        )

    @property
    def stock_page_size(self) -> int:
        """As many rows as this ERP gives, and no more than can be read without holding anybody up."""
        return min(STOCK_PAGE, self.page_size_max)

    @property
    def stock_clock(self) -> ErpClock:
        """Figures appear when their export is built: so much later than they were changed."""
        return replace(self.clock, overlap=self.clock.overlap + self.profile.evidence.build)

    @property
    def clock(self) -> ErpClock:
        return ErpClock(
            zone=ZoneInfo(self.erp_timezone),
            overlap=timedelta(seconds=self.delta_overlap_seconds),
            quiet=tuple(map(QuietWindow.parse, self.quiet_windows)),
        )

    def quiet_until(self, now: datetime) -> datetime | None:
        """When the quiet window around ``now`` (aware) ends, UTC; None where calls may be made."""
        return self.clock.quiet_until(now)
