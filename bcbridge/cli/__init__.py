"""``bcbridge``: run it, look at it, act on it. Exit codes: 0 ok, 1 failed, 2 a problem in the config or the call,
3 not found, 4 the bridge is not running.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import structlog
import typer

from bcbridge import __version__
from bcbridge.cli import acts, checks, incidents, keep, reads, reconcile, run, stock
from bcbridge.cli.common import FAILED, MISCONFIGURED, NOT_FOUND, NOT_RUNNING, AsJson, NotRunning, err, print_json, say
from bcbridge.errors import BridgeError, Misconfigured
from bcbridge.model.acts import NotFound

app = typer.Typer(
    name="bcbridge",
    help="Keeps the apparel ERP BlueCherry in step with the shops and warehouses around it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
mappings = typer.Typer(help="The cross-reference tables.", no_args_is_help=True)
numbers = typer.Typer(help="The numbers channels show, and the figures they come from.", no_args_is_help=True)
reconciling = typer.Typer(help="Each channel compared with the ERP.", no_args_is_help=True)
incident = typer.Typer(help="What stands in the way, whose it is, and who is on it.", no_args_is_help=True)


@app.command()
def version(as_json: AsJson = False) -> None:
    """Which bcbridge this is."""
    print_json({"version": __version__}) if as_json else say(f"bcbridge {__version__}")


for command in (
    run.run,
    checks.check,
    checks.doctor,
    reads.show,
    reads.exceptions,
    acts.retry,
    acts.skip,
    acts.agree,
    acts.resolve,
    acts.confirm,
    reads.jobs,
    reads.acts,
    keep.backup,
    keep.restore,
    keep.verify,
    keep.erase,
    stock.stock,
    run.sandbox,
):
    app.command()(command)
mappings.command("list")(reads.mappings_list)
mappings.command("set")(acts.mappings_set)
mappings.command("unmapped")(reads.mappings_unmapped)
app.add_typer(mappings, name="mappings")
incident.command("list")(incidents.list_)
incident.command("show")(incidents.show)
incident.command("ack")(incidents.ack)
incident.command("snooze")(incidents.snooze)
incident.command("resolve")(incidents.resolve)
app.add_typer(incident, name="incidents")
numbers.command("accept")(stock.accept)
numbers.command("compare")(stock.compare)
numbers.command("push")(stock.push)
app.add_typer(numbers, name="numbers")
reconciling.command("orders")(reconcile.orders)
reconciling.command("show")(reconcile.show)
app.add_typer(reconciling, name="reconcile")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and exits with its code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))  # ``run`` sets up its own
    try:
        app(arguments, prog_name="bcbridge")
    except BridgeError as fault:
        sys.exit(_tell(fault, as_json="--json" in arguments))


def _tell(fault: BridgeError, *, as_json: bool) -> int:
    """The fault in words or in JSON; returns the exit code that goes with it."""
    if as_json:
        mistakes = fault.mistakes if isinstance(fault, Misconfigured) else ()
        print_json({"error": str(fault), "mistakes": mistakes})
    else:
        err.print(str(fault), style="red", markup=False, soft_wrap=True)
    return _exit_code(fault)


def _exit_code(fault: BridgeError) -> int:
    match fault:
        case Misconfigured():
            return MISCONFIGURED
        case NotFound():
            return NOT_FOUND
        case NotRunning():
            return NOT_RUNNING
        case _:
            return FAILED
