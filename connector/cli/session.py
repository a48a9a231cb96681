"""What every command shares: the options `--config`, `--json`, `--log-format`, the App, and how an answer is shown."""

from __future__ import annotations

import inspect
import json as json_
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from connector.cli.values import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from connector.app import App
    from connector.ports import Clock
    from connector.wiring import Answer

cli = typer.Typer(
    name="connector",
    help="Sales pipelines in, KPI values that HR can pay on out.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # plain help: Rich alone would cost 0.2 of the 0.4 s that `--help` may take
)
"""The command `connector`; the modules of this package add their commands to it."""

LogFormat = Literal["console", "json"]
DEFAULT_CONFIG = "config.yaml"

_ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config", "-c", metavar="FILE", rich_help_panel="Everywhere",
        help="The config file; default $CONNECTOR_CONFIG, else config.yaml.",
    ),
]
_JsonOption = Annotated[
    bool, typer.Option("--json", rich_help_panel="Everywhere", help="Print one JSON value on standard output.")
]
_LogOption = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format", rich_help_panel="Everywhere", help="Log to standard error in this form, from level info on."
    ),
]


class Session:
    """One call of `connector`: its common options, its App once a command asks for it, and its two outputs."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self.config = os.environ.get("CONNECTOR_CONFIG") or DEFAULT_CONFIG
        self.json = False
        self.log_format: LogFormat | None = None
        self._app: App | None = None

    def choose(self, config: str | None, json: bool, log_format: LogFormat | None) -> None:
        """Take the options given on this level; those of the command win over those before it."""
        self.config = config or self.config
        self.json = json or self.json
        self.log_format = log_format or self.log_format

    @property
    def clock(self) -> Clock | None:
        """The clock to work by; None: the machine's."""
        return self._clock

    @property
    def app(self) -> App:
        """The App of the config file, made when first asked for. Raises ConfigError."""
        if self._app is None:
            from connector.app import App

            self.log()
            self._app = App.load(self.config, self._clock)
        return self._app

    def secrets(self) -> Iterable[str]:
        """What must not be shown; empty as long as no config is loaded."""
        return self._app.secrets() if self._app else ()

    def log(self, *, talkative: bool = False) -> None:
        """Set up logging: warnings, or everything from info on where a log format was asked for."""
        from connector.cli.logs import configure

        configure(self.log_format, self.secrets, talkative=talkative)

    @contextmanager
    def stopping(self) -> Iterator[Callable[[], bool]]:
        """Whether SIGTERM or Ctrl-C asked to end: the batch at hand is finished first. A second one ends at once."""
        asked = threading.Event()

        def ask(number: int, _frame: object) -> None:
            asked.set()
            signal.signal(number, former[number])

        former: dict[int, Any] = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield asked.is_set
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def close(self) -> None:
        if self._app is not None:
            self._app.close()

    def show(self, answer: Answer, render: Callable[[Console, Any], None]) -> int:
        """Print the answer, as JSON or by `render`, and give its exit code."""
        if self.json:
            print_json(answer.value)
        else:
            render(console(), answer.value)
        return answer.exit_code


def print_json(value: object) -> None:
    """One JSON value on standard output: two spaces for a person, one line for a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    print(json_.dumps(value, ensure_ascii=False, indent=indent), flush=True)


def console(*, stderr: bool = False) -> Console:
    """Where tables go. In a pipe lines are as long as they need to be, so that `grep` finds what it looks for."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 250
    return Console(stderr=stderr, width=width, soft_wrap=False, highlight=False, markup=False, emoji=False)


def command(group: typer.Typer, name: str | None = None) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Make a function `(session, …) -> exit code` a command of the group that also takes the common options.

    Without a name it is what the group does when no command of it is named.
    """

    def register(function: Callable[..., int]) -> Callable[..., int]:
        def run(context: typer.Context, **values: Any) -> None:
            session: Session = context.obj
            session.choose(values.pop("config"), values.pop("json"), values.pop("log_format"))
            if name is None and context.invoked_subcommand is not None:
                return
            raise typer.Exit(function(session, **values))

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        given = [_parameter(one.name, one.annotation, one.default) for one in own]
        parameters = [_parameter("context", typer.Context), *given, *_common()]
        run.__doc__ = function.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        if name is None:
            group.callback(invoke_without_command=True)(run)
        else:
            group.command(name)(run)
        return function

    return register


def group(name: str, help: str) -> typer.Typer:
    """A group of commands, such as `page`; alone it is a fault that says so, until a command without name is added."""
    made = typer.Typer(help=help)
    cli.add_typer(made, name=name)

    def alone(_session: Session) -> int:
        raise UsageError(f"a command is missing; `connector {name} --help` lists them")

    alone.__doc__ = help
    command(made)(alone)
    return made


def _common() -> list[inspect.Parameter]:
    return [
        _parameter("config", _ConfigOption, None),
        _parameter("json", _JsonOption, False),
        _parameter("log_format", _LogOption, None),
    ]


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
