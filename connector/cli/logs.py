"""Logs on standard error, one line or one JSON object each, without secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

QUIETER = ("apscheduler", "urllib3", "alembic")  # libraries whose info lines say nothing to our users

Secrets = Callable[[], Iterable[str]]


def configure(form: str | None, secrets: Secrets, *, talkative: bool = False) -> None:
    """Send our own and the libraries' log lines to standard error.

    Without `form` only warnings are shown, since a person reads the summary; `talkative` (the service, which alone has
    lines of our own) shows info too.
    """
    level = logging.INFO if form or talkative else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(form, secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIETER:
        logging.getLogger(name).setLevel(logging.WARNING)
    if talkative:
        _own_lines(secrets, level)


class _Lines(logging.Formatter):
    """Lines made by structlog. It is loaded with the first one: most commands log nothing, and it brings Rich along."""

    def __init__(self, form: str | None, secrets: Secrets) -> None:
        super().__init__()
        self._form, self._secrets = form, secrets

    @cached_property
    def _made_by(self) -> logging.Formatter:
        import structlog

        return structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(self._form)],
            foreign_pre_chain=_steps(self._secrets),
        )

    def format(self, record: logging.LogRecord) -> str:
        return self._made_by.format(record)


def _own_lines(secrets: Secrets, level: int) -> None:
    """Lead what our own modules log through structlog into the standard library's logging."""
    import structlog

    structlog.configure(
        processors=[*_steps(secrets), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _steps(secrets: Secrets) -> list[Any]:
    """What is done to every entry, our own or a library's, before it is written."""
    import structlog

    from connector.redaction import Redactor

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        Redactor(secrets),
    ]


def _renderer(form: str | None) -> Any:
    import structlog

    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
