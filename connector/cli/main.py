"""The edge of the command `connector`: every fault becomes a sentence, a next step and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from connector.cli import (
    adjusting,
    asking,
    closing,
    deciding,
    explaining,
    mappings,
    quarantining,
    resyncing,
    running,
    setting_up,
    staffing,
)
from connector.cli.session import Session, cli, command, print_json
from connector.cli.values import UsageError
from connector.errors import ConfigError, ConnectorError

if TYPE_CHECKING:
    from connector.ports import Clock

BUG = 70
COMMAND_LINE = "command line"  # the "file" of faults in what was typed
INTERRUPTED, CLOSED_PIPE = 130, 141  # what shells call a process ended by SIGINT and SIGPIPE

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Instead of 700: loading alone makes hundreds of thousands of objects, and nearly all of them stay."""

COMMANDS = (
    running, resyncing, asking, explaining, staffing, closing, adjusting, deciding, quarantining, setting_up, mappings,
)
"""The modules whose commands `connector` has."""


@command(cli)
def connector(_session: Session) -> int:
    """Sales pipelines in, KPI values that HR can pay on out."""
    raise UsageError("a command is missing; `connector --help` lists them")


def main() -> None:
    """Run the command of the command line and leave with its exit code."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    code = call(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _closed_pipe()
    if "duckdb" not in sys.modules:  # it reports as leaked what is not collected at the end
        gc.freeze()  # everything ends here: without it Python searches all there is for garbage once more
    sys.exit(code)


def call(arguments: list[str], clock: Clock | None = None) -> int:
    """Run one command and give its exit code; at that clock, else the machine's."""
    session = Session(clock)
    session.json = "--json" in arguments
    try:
        return int(cli(args=arguments, prog_name="connector", standalone_mode=False, obj=session) or 0)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # typer leaves by SystemExit when the pipe is closed
        return _closed_pipe()
    except Exception as error:  # noqa: BLE001  # the edge: whatever it is, the user gets a sentence
        return _explain(session, error)
    finally:
        session.close()


def _explain(session: Session, error: Exception) -> int:
    """Say what went wrong, by the kind of error."""
    if isinstance(error, ConfigError):
        return _config(session, error)
    if isinstance(error, ConnectorError):
        return _tell(session, type(error).__name__, str(error), error.where, error.remedy, error.exit_code)
    if hasattr(error, "format_message"):  # typer's own complaints about the command line
        fault = UsageError(error.format_message())
        return _tell(session, "UsageError", str(fault), _context(error), fault.remedy, fault.exit_code)
    return _bug(session, error)


def _tell(session: Session, name: str, message: str, where: str, remedy: str, code: int) -> int:
    """Say the fault on standard error, and as JSON on standard output where that was asked for."""
    from connector.redaction import Redactor

    redact = Redactor(session.secrets).text
    message, where, remedy = redact(message), redact(where), redact(remedy)
    place = f" ({where})" if where and where not in message else ""
    end = "\n" if "\n" in message else " " if message.endswith((".", "!", "?")) else ". "
    print(f"{name}: {message}{place}{end}{remedy}", file=sys.stderr, flush=True)
    if session.json:
        print_json({"error": {"class": name, "message": message, "where": where, "remedy": remedy}})
    return code


def _config(session: Session, error: ConfigError) -> int:
    """Faults of files; those of the command line itself are said as such."""
    if any(fault.file != COMMAND_LINE for fault in error.faults):
        return _tell(session, "ConfigError", str(error), error.where, error.remedy, error.exit_code)
    message = "\n".join(f"{fault.key}: {fault.message}" for fault in error.faults)
    return _tell(session, "UsageError", message, COMMAND_LINE, UsageError.remedy, UsageError.exit_code)


def _context(error: object) -> str:
    context = getattr(error, "ctx", None)
    return str(context.command_path) if context is not None else ""


def _bug(session: Session, error: Exception) -> int:
    """A fault of ours: the traceback goes to a file only the user may read, the user gets its name."""
    kind = type(error).__name__
    try:
        where = str(_write_log(session, error))
    except OSError as unwritable:
        where = f"nowhere, the log could not be written: {unwritable.strerror}"
    return _tell(
        session, "Bug", f"something we did not expect happened ({kind})", where,
        "This is a fault of ours: please report it with that file; nothing half-done was stored.", BUG,
    )


def _write_log(session: Session, error: Exception) -> Path:
    """The traceback, without secrets, beside the config or else in the folder for temporary files."""
    import tempfile
    import traceback

    from connector.redaction import Redactor

    text = Redactor(session.secrets).text("".join(traceback.format_exception(error)))
    name = f"connector-bug-{os.getpid()}.log"
    beside = Path(session.config).resolve().parent
    for folder in (beside, Path(tempfile.gettempdir())):
        if os.access(folder, os.W_OK):
            path = folder / name
            path.unlink(missing_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            return path
    raise PermissionError(13, "no folder to write it in")


def _closed_pipe() -> int:
    """The reader of our output went away (`| head`): say nothing more, not even at shutdown."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED_PIPE
