"""The pages say what is there: codes, commands, files, settings and arrows are held against the code.

A page that nobody checks is wrong by the next month. Every claim here fails in both directions where it can: what the
code has and no page names, and what a page names and the code no longer has.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from bcbridge import config
from bcbridge.cli import app
from bcbridge.connectors.bluecherry.settings import RESOURCES, BlueCherrySettings, Paths, Profile
from bcbridge.connectors.kinds import KINDS
from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.flows.orders.settings import OrderSettings
from bcbridge.model.incidents import FAILURES
from bcbridge.phrases import STATES

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ROOT / "bcbridge"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

Page = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


# -- what the code says ------------------------------------------------------------------------------------------


@cache
def constants(file: Path) -> dict[str, str]:
    """``NOT_POSTED = "accepted_not_posted"`` at the head of a module; of a package none."""
    if not file.is_file():
        return {}
    found = (node for node in ast.parse(file.read_text()).body if isinstance(node, ast.Assign))
    return {
        str(getattr(node.targets[0], "id", "")): node.value.value
        for node in found
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


class Spelled(ast.NodeTransformer):
    """Puts in place of a name the text that it stands for, also where it comes from another module of ours."""

    def __init__(self, file: Path) -> None:
        self.names = dict(constants(file))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        for one in node.names:
            place = ROOT / (node.module or "").replace(".", "/")
            self.names |= {k: v for k, v in constants(place.with_suffix(".py")).items() if k == one.name}
            inside = constants(place / f"{one.name}.py")
            self.names |= {f"{one.name}.{name}": text for name, text in inside.items()}
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._spelled(node, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self._spelled(node, f"{getattr(node.value, 'id', '')}.{node.attr}")

    def _spelled(self, node: ast.Name | ast.Attribute, name: str) -> ast.expr:
        self.generic_visit(node)
        return ast.Constant(self.names[name]) if isinstance(node.ctx, ast.Load) and name in self.names else node


DISPATCHES = "docs/dispatches.md"


@cache
def nodes(folder: str) -> tuple[ast.AST, ...]:
    files = sorted((HOUSE / folder).rglob("*.py")) if (HOUSE / folder).is_dir() else [HOUSE / folder]
    return tuple(node for file in files for node in ast.walk(Spelled(file).visit(ast.parse(file.read_text()))))


def calls(folder: str, *names: str) -> Iterator[ast.Call]:
    """Calls of these functions or methods, whatever they are called on."""
    for node in nodes(folder):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in names:
                yield node


def said(node: ast.AST | None) -> str:
    """The text that an expression is; empty where only the run knows."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def keyword(call: ast.Call, name: str) -> ast.AST | None:
    return next((one.value for one in call.keywords if one.arg == name), None)


def coded(folder: str, *names: str) -> set[str]:
    return {said(keyword(call, "code")) for call in calls(folder, *names)} - {""}


def first(folder: str, *names: str, at: int = 0) -> set[str]:
    return {said(call.args[at]) for call in calls(folder, *names) if len(call.args) > at} - {""}


def pairs(file: str) -> set[str]:
    """``"code", "text"``: how the gate says why an order is not booked yet."""
    found = (node for node in nodes(file) if isinstance(node, ast.Tuple) and len(node.elts) == 2)
    told = (node.elts[0] for node in found if isinstance(node.elts[1], ast.Constant | ast.JoinedStr))
    return {said(one) for one in told if re.fullmatch(r"[a-z]+(_[a-z]+)*", said(one))}


def not_yet_codes() -> set[str]:
    return pairs("flows/orders/gate.py") | first("flows", "_wait") | coded("flows", "NotYet")


def never_codes() -> set[str]:
    by_hand = re.findall(r"state = 'never', code = '(\w+)'", (HOUSE / "store/acts.py").read_text())
    return coded("flows", "Never") | set(by_hand)


def blocked_codes() -> set[str]:
    here = "flows/orders"
    tables = first(here, "_Table", at=1)
    return first(here, "block", "report") | tables | coded(here, "Problem") | coded("store", "Problem")


def dispatch_codes() -> set[str]:
    """Why pieces that left are not told."""
    here = "flows/dispatches"
    conditional = {said(one) for node in nodes(here) if isinstance(node, ast.IfExp) for one in (node.body, node.orelse)}
    held = pairs("flows/dispatches/compose.py")
    return first(here, "block", "_problem") | held | {code for code in conditional if code.startswith("dispatched_")}


def incident_codes() -> set[str]:
    """Opened where something fails, or said by a watch; the codes of blocked orders are those of their problems."""
    parts = ("store", "runtime", "house")
    opened = {code for part in parts for code in coded(part, "open_one")}
    opened |= coded("connectors", "Trouble") | first("connectors", "Trouble")
    return opened | coded("runtime", "Cause") | first("watches", "Cause")


# -- what the pages say ------------------------------------------------------------------------------------------


def section(page: str, heading: str) -> str:
    """The text below a heading of the second level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", (ROOT / page).read_text(), re.M | re.S)
    assert found, f"{page} has no section {heading}"
    return found[1]


def in_first_column(text: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", text, re.M)


def code_of(page: Path) -> Iterator[str]:
    """Every line of a code block, and every piece of code within a sentence."""
    text = page.read_text()
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


# -- codes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "in_the_code"),
    [
        ("Not yet", not_yet_codes),
        ("Never", never_codes),
        ("Blocked", blocked_codes),
        ("Incidents", incident_codes),
        ("Where an order can stand", lambda: set(STATES)),
    ],
)
def test_every_code_has_its_line_and_every_line_its_code(heading: str, in_the_code: Callable[[], set[str]]) -> None:
    told = in_first_column(section("docs/orders.md", heading))
    assert len(told) == len(set(told))
    assert set(told) == in_the_code()


@pytest.mark.parametrize(
    ("heading", "in_the_code"), [("Not yet", not_yet_codes), ("Never", never_codes), ("Blocked", blocked_codes)]
)
def test_each_shops_story_says_every_code_once(heading: str, in_the_code: Callable[[], set[str]]) -> None:
    told = in_first_column(section("docs/channels.md", heading))
    assert len(told) == len(set(told))
    assert set(told) == in_the_code()


def test_the_settings_that_the_story_of_each_shop_names_exist() -> None:
    """A word with an underscore is a code, a setting, a gateway of a shop, or a field of one."""
    text = (ROOT / "docs/channels.md").read_text()
    named = {word.partition(".")[0] for word in re.findall(r"`(\w+_\w+(?:\.\w+)?)(?: = [^`]+)?`", text)}
    settings = {name for kind in KINDS.values() for name in kind.settings.model_fields} | set(
        OrderSettings.model_fields
    )
    codes = not_yet_codes() | never_codes() | blocked_codes() | set(FAILURES) | first("flows", "note")
    theirs = {"shopify_payments", "shopify_store_credit", "gift_card", "gift_certificate", "store_credit"}
    tables = {file.stem for file in (ROOT / "mappings").glob("*.toml")}
    assert named - codes - settings - theirs - tables <= {"poll_every_seconds", "flat_rate", "created_via"}


def test_every_reason_why_a_dispatch_is_not_told_is_explained_and_set_right() -> None:
    told = re.findall(
        r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", section(DISPATCHES, "What is not told, and why"), re.M))
    )
    assert len(told) == len(set(told))
    assert set(told) == dispatch_codes()
    settings = in_first_column(section(DISPATCHES, "What is set"))
    assert set(settings) == set(DispatchSettings.model_fields)


def test_what_is_noted_on_an_order_is_explained_too() -> None:
    booked_all_the_same = section("docs/orders.md", "Things that can be said of an order that is booked")
    told = {*in_first_column(section("docs/orders.md", "Blocked")), *re.findall(r"`(\w+)`", booked_all_the_same)}
    assert first("flows", "note") <= told


def test_every_table_of_a_problem_is_a_table() -> None:
    named = set(re.findall(r"`(\w+)\.toml`", section("docs/orders.md", "Blocked")))
    assert named == {file.stem for file in (ROOT / "mappings").glob("*.toml")} - {
        "carriers",
        "packs",
        "return_reasons",
        "stock",
    }


# -- commands ------------------------------------------------------------------------------------------------------


def command(words: list[str]) -> Any:
    """The command that these words begin with; fails where there is none."""
    found: Any = typer.main.get_command(app)
    for word in words:
        if not hasattr(found, "commands"):
            break
        assert word in found.commands, f"bcbridge has no command {word}"
        found = found.commands[word]
    return found


@Page
def test_every_command_on_a_page_is_one(page: Path) -> None:
    for line in code_of(page):
        typed = re.search(r"(?<![\w./\"-])bcbridge ((?:[a-z]+ ?)+)(.*)", line)
        if typed is None or "bcbridge.sandbox" in line:
            continue
        options = {
            option
            for parameter in command(typed[1].split()).params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", typed[2])) <= options, line


@Page
def test_every_make_target_on_a_page_is_one(page: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    named = [found[1] for line in code_of(page) if (found := re.match(r"make ([a-z]+)", line))]
    assert set(named) <= set(targets)


def test_every_command_there_is_stands_on_the_page_of_commands() -> None:
    text = (ROOT / "docs/cli.md").read_text()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if not re.search(rf"`(bcbridge )?{name}\b", text)] == []


# -- files and links -----------------------------------------------------------------------------------------------


@Page
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


NOT_OURS = ("var/", "../", "/", "_sandbox", "connectors/<kind>", "sandbox/<kind>")


def stands(name: str) -> bool:
    places = (ROOT / name, HOUSE / name, HOUSE / "connectors" / name, HOUSE / "flows/orders" / name)
    return any(place.exists() for place in places) or ("/" not in name and any(HOUSE.rglob(name)))


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_is_there(name: str) -> None:
    words = {word for line in code_of(ROOT / name) for word in line.split()}
    files = {word for word in words if re.fullmatch(r"[\w./-]+(\.py|\.md|\.lock|\.service|/)", word)}
    ours = {file for file in files if not file.startswith(NOT_OURS) and "<" not in file}
    assert ours
    assert [file for file in sorted(ours) if not stands(file)] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs/adr"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(file.name for file in folder.glob("0*.md"))


def test_the_arrows_are_those_that_are_held() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows = re.findall(r"^\| ([a-z][^|`]+) \|", section("ARCHITECTURE.md", "The arrows"), re.M)
    assert [row for row in rows if row != "contract"] == [one["name"] for one in contracts]


# -- settings and metrics ------------------------------------------------------------------------------------------


def test_the_config_of_go_live_loads(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/go-live.md").read_text(), re.S)
    file = tmp_path / "config.toml"
    file.write_text("\n".join(blocks))
    settings = config.load(file)
    assert not any(connection.on_loopback for connection in settings.enabled)
    assert settings.channels["shopify_us"].orders.orders_created_from is not None
    assert settings.channels["shopify_us"].stock is not None


def test_the_settings_of_an_installation_load(tmp_path: Path) -> None:
    blocks = [
        one for one in re.findall(r"```toml\n(.*?)```", (ROOT / "docs/install.md").read_text(), re.S) if "[" in one
    ]
    assert len(blocks) == 2
    for block in blocks:
        file = tmp_path / "config.toml"
        file.write_text(block)
        config.load(file)


def test_the_settings_that_are_asked_for_exist() -> None:
    """The right column of the questions to the ERP's people."""
    answers = re.findall(
        r"^\|[^|]+\|([^|]+)\|$", section("docs/go-live.md", "1. Ask CGS, and your own BlueCherry team"), re.M
    )
    named = {word for answer in answers for word in re.findall(r"`([\w.]+)`", answer)}
    known = set(BlueCherrySettings.model_fields) | {f"profile.{field}" for field in Profile.model_fields}
    known |= {f"profile.paths.{field}" for field in Paths.model_fields} | {
        f"profile.aliases.{one}" for one in RESOURCES
    }
    assert len(named) > 10
    assert named - known == set()


def test_the_settings_of_a_channel_that_the_order_page_names_exist() -> None:
    named = set(
        re.findall(r"`((?:look|unrouted|grace|price|partly|default|authorised|assort)\w*)(?: = [^`]+)?`", ORDERS_PAGE)
    )
    codes = not_yet_codes() | never_codes() | blocked_codes()
    assert named - codes <= set(OrderSettings.model_fields)


ORDERS_PAGE = (ROOT / "docs/orders.md").read_text()


def test_the_metrics_that_are_named_are_shown() -> None:
    shown = {said(node) for node in nodes("web/metrics.py")}
    named = {name for page in PAGES for name in re.findall(r"`bcbridge_(\w+)`", page.read_text())}
    assert named
    assert named - shown == set()


# -- runbook -------------------------------------------------------------------------------------------------------

RUNBOOK = ROOT / "docs/runbook"
HEADINGS = ["What you see", "What it means", "What to do now", "How to be sure it is over"]


def opened_anywhere() -> set[str]:
    """Every code that an incident can have, wherever it is opened; of a variable code the choices stand in FAILURES."""
    alerts = coded("alerts", "open_one") | first("alerts", "Cause")
    return incident_codes() | blocked_codes() | alerts


def test_every_code_that_can_be_opened_is_a_failure_with_an_owner() -> None:
    assert opened_anywhere() - set(FAILURES) == set()


def test_every_failure_has_its_page_and_every_page_its_failure() -> None:
    assert {page.stem for page in RUNBOOK.glob("*.md")} - {"README"} == set(FAILURES)


@pytest.mark.parametrize("code", sorted(FAILURES))
def test_a_page_of_the_runbook_has_four_headings_and_something_below_each(code: str) -> None:
    text = (RUNBOOK / f"{code}.md").read_text()
    assert text.startswith(f"# {code}\n")
    assert re.findall(r"^## (.*)$", text, re.M) == HEADINGS
    assert all(len(section(f"docs/runbook/{code}.md", heading).strip()) > 20 for heading in HEADINGS)


def test_the_runbooks_table_says_what_the_code_says() -> None:
    rows = re.findall(
        r"^\| \[(\w+)\]\(\1\.md\) \| (.*) \| (\w+) \| ([\w ]+) \| ([\w ]+) \|$",
        (RUNBOOK / "README.md").read_text(),
        re.M,
    )
    told = {code: (title, severity, team, ends == "yes") for code, title, severity, team, ends in rows}
    assert len(rows) == len(told)
    assert told == {
        code: (one.title, str(one.severity), one.team.replace("_", " "), one.ends) for code, one in FAILURES.items()
    }
