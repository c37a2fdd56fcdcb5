"""``[alerts]`` of config.toml: every mistake is named at once, with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcbridge import config
from bcbridge.errors import Misconfigured

RIGHT = """
[alerts.teams.operations]
slack = "ops"
email = ["a@example.com", "b@example.com"]
quiet = "22:00-07:00"
time_zone = "Europe/Berlin"
digest_at = "08:30"
escalate_to = "engineers"
[alerts.teams.engineers]
email = "duty@example.com"
[alerts.slack.ops]
webhook = "file:hook"
[alerts.smtp]
host = "mail.example.com"
user = "bridge"
password = "env:MAIL"
[[alerts.routes]]
codes = "no_*"
severities = ["normal"]
team = "engineers"
severity = "low"
"""


def load(folder: Path, text: str) -> config.Settings:
    file = folder / "config.toml"
    file.write_text(text)
    return config.load(file)


def mistakes(folder: Path, text: str) -> dict[str, str]:
    with pytest.raises(Misconfigured) as caught:
        load(folder, text)
    return {one.where: f"{one.what} {one.instead}" for one in caught.value.mistakes}


def test_without_it_alerts_are_off(tmp_path: Path) -> None:
    assert not load(tmp_path, "").alerts.on
    assert not load(
        tmp_path, RIGHT.replace("[alerts.teams.operations]", "[alerts]\nenabled = false\n[alerts.teams.operations]")
    ).alerts.on


def test_what_is_right_is_taken(tmp_path: Path) -> None:
    alerts = load(tmp_path, RIGHT).alerts
    assert alerts.on
    assert alerts.teams["operations"].channels == ("slack/ops", "email")
    assert dict(alerts.secrets()) == {"alerts.slack.ops.webhook": "file:hook", "alerts.smtp.password": "env:MAIL"}


@pytest.mark.parametrize(
    ("wrong", "right", "where", "says"),
    [
        ('slack = "op"', 'slack = "ops"', "alerts.teams.operations.slack", "did you mean ops?"),
        ('escalate_to = "enginers"', 'escalate_to = "engineers"', "alerts.teams.operations.escalate_to", "engineers"),
        ('escalate_to = "operations"', 'escalate_to = "engineers"', "alerts.teams.operations.escalate_to", "itself"),
        ("[alerts.teams.opertions]", "[alerts.teams.operations]", "alerts.teams.opertions", "did you mean operations?"),
        ('quiet = "22:00"', 'quiet = "22:00-07:00"', "alerts.teams.operations.quiet", "22:00-07:00"),
        ('quiet = "22:00-25:00"', 'quiet = "22:00-07:00"', "alerts.teams.operations.quiet", "time of day"),
        ('digest_at = "8h"', 'digest_at = "08:30"', "alerts.teams.operations.digest_at", "as 08:30"),
        ('time_zone = "Berlin"', 'time_zone = "Europe/Berlin"', "alerts.teams.operations.time_zone", "Europe/Berlin"),
        ('email = "duty"', 'email = "duty@example.com"', "alerts.teams.engineers.email.0", "ops@example.com"),
        (
            'webhook = "https://hooks.example.com/hush"',
            'webhook = "file:hook"',
            "alerts.slack.ops.webhook",
            "file:PATH",
        ),
        ('password = "hush"', 'password = "env:MAIL"', "alerts.smtp.password", "env:NAME"),
        ("", 'password = "env:MAIL"', "alerts.smtp", "go together"),
        ('security = "none"', 'user = "bridge"\npassword = "env:MAIL"', "alerts.smtp", "on this machine"),
        ("", 'host = "mail.example.com"', "alerts.smtp.host", "is missing"),
        ('team = "enginers"', 'team = "engineers"', "alerts.routes.0.team", "did you mean engineers?"),
        ("", 'team = "engineers"\nseverity = "low"', "alerts.routes.0", "neither a team nor a severity"),
        ('severities = ["bad"]', 'severities = ["normal"]', "alerts.routes.0.severities.0", "critical"),
        ('emial = "duty@example.com"', 'email = "duty@example.com"', "alerts.teams.engineers.emial", "mean email?"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, wrong: str, right: str, where: str, says: str) -> None:
    assert right in RIGHT
    found = mistakes(tmp_path, RIGHT.replace(right, wrong))
    assert says in found[where], found
    assert "hush" not in str(found)


def test_a_default_team_that_nobody_can_reach_is_a_mistake(tmp_path: Path) -> None:
    found = mistakes(tmp_path, '[alerts]\ndefault_team = "finance"\n' + RIGHT)
    assert "has no channel" in found["alerts.default_team"]


def test_the_address_of_the_runbook_names_the_page(tmp_path: Path) -> None:
    found = mistakes(tmp_path, '[alerts]\nrunbook_url = "https://wiki.example.com/"\n' + RIGHT)
    assert "{code}" in found["alerts.runbook_url"]
