"""What a person decides per channel about booking its orders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from bcbridge.model.calendar import EVERY_DAY, Calendar, ClockTime, ClosedDays, Weekdays, Zone
from bcbridge.model.record import Moment


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


AUTHORISATION_DAYS = 7
Fit = Literal["truncate", "block"]


class OverWidth(_Settings):
    """What is done, per field, with text longer than the ERP's field.

    ``truncate`` cuts and records it; ``split`` moves whole words into address2; ``block`` leaves it to a person. What
    a parcel needs to arrive blocks by default. Codes and references always block: half a code is another code.
    """

    name: Fit = "block"
    address_name: Fit = "truncate"
    company: Fit = "truncate"
    address1: Literal["truncate", "split", "block"] = "split"
    address2: Fit = "block"
    city: Fit = "block"
    state: Fit = "block"
    postcode: Fit = "block"
    country: Fit = "block"
    phone: Fit = "truncate"
    email: Fit = "truncate"
    notes: Fit = "truncate"


class Unit(_Settings):
    """How a line names a SKU."""

    sku_is: Literal["upc", "barcode"] = "upc"
    """Where its UPC stands, compared whole with its leading zeros. ``upc``: as the line's sku; a barcode that differs
    blocks the line. ``barcode``: as its barcode; the sku may be any text."""


class Release(_Settings):
    """When orders of one warehouse are released to be booked. An order waits for the first release whose cut-off it
    was created before; what it does not say of days is as in the warehouse's calendar."""

    at: tuple[ClockTime, ...] = Field(min_length=1)
    days: Weekdays = EVERY_DAY
    closed: ClosedDays = frozenset()
    cut_off_minutes: NonNegativeInt = Field(default=0, lt=24 * 60)
    """So long before a release it takes no more orders in."""
    groups: frozenset[str] = frozenset()
    """Customer groups of the ERP that do not wait."""
    time_zone: Zone | None = None
    """Unset: the calendar's, where it says one, else the channel's."""

    def by_calendar(self, calendar: Calendar) -> Release:
        """What is said of days in the warehouse's calendar, and not here."""
        unsaid = calendar.model_fields_set & {"days", "closed", "time_zone"} - self.model_fields_set
        return self.model_copy(update={name: getattr(calendar, name) for name in unsaid})

    @property
    def cut_off(self) -> timedelta:
        return timedelta(minutes=self.cut_off_minutes)


class OrderSettings(_Settings):
    """Booking the orders of one channel. Only ``code`` has no default: it is part of every reference for good."""

    code: str = Field(pattern=r"^[A-Z]([A-Z0-9]*[A-Z])?$", max_length=6)
    """Reference prefix, A-Z and 0-9, ending in a letter so that it never runs into the channel's id."""
    orders_created_from: Moment | None = None
    """The go-live boundary, by creation; mandatory for a production channel."""
    authorised_gateways: frozenset[str] = frozenset()
    """Gateways whose authorised, not yet captured, orders are booked."""
    authorisation_days: dict[str, PositiveInt] = {"*": AUTHORISATION_DAYS}
    """How long a gateway holds money that is authorised and not captured; ``"*"``: any other."""
    partly_refunded: Literal["block", "book_original"] = "block"
    parts_by_warehouse: bool = False
    unit: Unit = Unit()
    assortment: str = ""
    """Catalogue destination a SKU must carry to be sold here; empty: not asked for."""
    default_division: str = ""
    """ERP division for an order without goods (gift cards alone); empty: such an order is blocked."""
    price_against_list: Literal["ignore", "note", "block"] = "note"
    list_price_currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    """Currency of the ERP's list prices; orders in another are not compared."""
    over_width: OverWidth = OverWidth()
    supercycle: bool = False
    grace_seconds: NonNegativeInt | None = None
    """How long an order waits from its creation for late tags; unset: 120 with supercycle, else 0."""
    ship_window_days: NonNegativeInt = 14
    time_zone: Zone = "UTC"
    """IANA zone in which the ERP's dates are meant."""
    releases: dict[str, Release] = {}
    """By warehouse of the ERP; one without releases books at once."""
    look_again_minutes: PositiveInt = 60
    unrouted_look_again_minutes: PositiveInt = 5
    not_yet_limit_hours: PositiveInt = 48
    not_yet_limits_hours: dict[str, PositiveInt] = {
        "grace": 1,
        "waits_for_release": 1,
        "unrouted": 4,
        "channel_hold": 24,
        "authorised": 168,
    }
    """How old a ``not_yet`` may grow before somebody is told, by its code where it differs. One that waits for its
    release is as old as that release."""

    def by_calendars(self, calendars: Mapping[str, Calendar]) -> OrderSettings:
        """With releases on the days of their warehouses."""
        known = {name: one.by_calendar(calendars[name]) for name, one in self.releases.items() if name in calendars}
        return self.model_copy(update={"releases": {**self.releases, **known}})

    @property
    def grace(self) -> timedelta:
        chosen = self.grace_seconds
        return timedelta(seconds=(120 if self.supercycle else 0) if chosen is None else chosen)

    def held_for(self, gateway: str) -> timedelta:
        """How long this gateway holds what is only authorised."""
        days = self.authorisation_days
        return timedelta(days=days.get(gateway, days.get("*", AUTHORISATION_DAYS)))

    def not_yet_limit(self, code: str) -> timedelta:
        """The age at which a ``not_yet`` with this code becomes somebody's business."""
        return timedelta(hours=self.not_yet_limits_hours.get(code, self.not_yet_limit_hours))
