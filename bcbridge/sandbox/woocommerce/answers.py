"""How an answer leaves the shop: JSON with WordPress's headers; and the pages that are no answer at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from urllib.parse import quote

from aiohttp import web

from bcbridge.sandbox.base import dump

USUAL = {
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Expose-Headers": "X-WP-Total, X-WP-TotalPages, Link",
    "Access-Control-Allow-Headers": "Authorization, X-WP-Nonce, Content-Disposition, Content-MD5, Content-Type",
}
CACHE = "no-cache, must-revalidate, max-age=0, no-store, private"
WARNING = (
    "<br />\n<b>Warning</b>:  Undefined array key &quot;lang&quot; in "
    "<b>/var/www/html/wp-content/plugins/some-plugin/plugin.php</b> on line <b>212</b><br />\n"
)
PAGES = {
    "html_200": (200, "Just a moment...", "Checking your browser before you enter the shop."),
    "html_403": (403, "403 Forbidden", "Your request was blocked by the firewall of this site."),
    "html_503": (503, "Maintenance", "Briefly unavailable for scheduled maintenance. Check back in a minute."),
}
CRITICAL = "<p>There has been a critical error on this website.</p>"


@dataclass(frozen=True)
class Answer:
    """What a handler says; ``headers`` beside the usual ones."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    paid: Sequence[int] = ()
    """Orders that this shows as paid and standing."""
    read_on: Sequence[int] = ()
    """Orders of a list by date that has a next page."""


def response(said: Answer, home: str, *, warned: bool = False) -> web.Response:
    """JSON, with whatever PHP had to say before it."""
    body = dump(said.body)
    headers = {**USUAL, "Link": f'<{home}/wp-json/>; rel="https://api.w.org/"', "Cache-Control": CACHE, **said.headers}
    return web.Response(
        body=WARNING.encode() + body if warned else body,
        status=said.status,
        headers={**headers, "Content-Type": "application/json; charset=UTF-8"},
    )


def page(name: str) -> web.Response:
    """What a cache, a firewall or a site in maintenance answers instead."""
    status, title, text = PAGES[name]
    html = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
    return web.Response(text=html, status=status, content_type="text/html")


def list_headers(
    address: str, query: Sequence[tuple[str, str]], defaults: Mapping[str, str], *, page: int, per_page: int, total: int
) -> dict[str, str]:
    """Totals, and ``Link`` to the pages before and after. A page past the end says that there is nothing at all."""
    pages = ceil(total / per_page)
    beyond = page > max(pages, 1)
    headers = {"X-WP-Total": "0" if beyond else str(total), "X-WP-TotalPages": "0" if beyond else str(pages)}
    last = 0 if beyond else pages
    found = [("prev", min(page - 1, last))] if page > 1 else []
    if page < last:
        found.append(("next", page + 1))
    if found:
        shown = {**defaults, "dp": "2", "context": "view"} if defaults and not beyond else dict(defaults)
        headers["Link"] = ", ".join(f'<{address}?{paged(query, number, shown)}>; rel="{rel}"' for rel, number in found)
    return headers


def paged(query: Sequence[tuple[str, str]], number: int, defaults: Mapping[str, str]) -> str:
    """The same query for another page; what WordPress filled in comes last."""
    given = dict(query) | {"page": str(number)}
    given |= {name: value for name, value in defaults.items() if name.split("[")[0] not in given}
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in given.items())
