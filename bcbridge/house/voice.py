"""The voice of a running bridge: the dispatcher of alerts with a way out for every box, from the settings.

Wired by ``app``. Each secret is looked up at the start, so that a missing one is named then, and again for each
letter, so that a changed one counts without a restart.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from functools import partial

from bcbridge.alerts.channel import Channel
from bcbridge.alerts.dispatcher import Dispatcher
from bcbridge.alerts.email import EmailChannel
from bcbridge.alerts.route import all_boxes
from bcbridge.alerts.settings import EMAIL, AlertsSection
from bcbridge.alerts.slack import SlackChannel
from bcbridge.config import Secrets, Settings
from bcbridge.errors import Misconfigured, Mistake
from bcbridge.store.alerts import Box
from bcbridge.store.db import Store


def build(settings: Settings, store: Store, now: Callable[[], datetime]) -> Dispatcher | None:
    """None where alerts are off. Raises Misconfigured with every secret that cannot be had."""
    alerts = settings.alerts
    if not alerts.on:
        return None
    _check(alerts, settings.secrets)
    context = _context(alerts)
    channels = {box: _channel(box, alerts, settings.secrets, now, context) for box in all_boxes(alerts)}
    return Dispatcher(store, alerts, channels, now, status_url=alerts.status_url or _ready(settings))


def _ready(settings: Settings) -> str:
    """Our own page about us, where it can be read without a token; else empty."""
    web = settings.web
    return f"{web.public_url}/ready" if web.public_url and web.on_loopback else ""


def _check(alerts: AlertsSection, secrets: Secrets) -> None:
    mistakes = []
    for where, reference in alerts.secrets():
        try:
            secrets(reference)
        except Misconfigured as fault:
            mistakes += [Mistake(where, one.what, one.instead) for one in fault.mistakes]
    if mistakes:
        raise Misconfigured(mistakes)


def _context(alerts: AlertsSection) -> ssl.SSLContext:
    """Verifies certificates. Raises Misconfigured where the file of a private authority cannot be read."""
    context = ssl.create_default_context()
    if alerts.smtp.ca_file is not None:
        try:
            context.load_verify_locations(alerts.smtp.ca_file)
        except OSError as fault:
            what = f"cannot be read ({type(fault).__name__}): {alerts.smtp.ca_file}"
            raise Misconfigured([Mistake("alerts.smtp.ca_file", what)]) from None
    return context


def _channel(
    box: Box, alerts: AlertsSection, secrets: Secrets, now: Callable[[], datetime], context: ssl.SSLContext
) -> Channel:
    if box.channel == EMAIL:
        password = partial(secrets, alerts.smtp.password)
        return EmailChannel(alerts.smtp, alerts.teams[box.team].email, password=password, now=now, context=context)
    webhook = alerts.slack[box.channel.removeprefix("slack/")].webhook
    return SlackChannel(partial(secrets, webhook))
