"""Logs on standard error, one line or one JSON object each, without secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

QUIETER = ("apscheduler", "urllib3", "alembic")  # libraries whose info lines say nothing to our users


def configure(form: str | None, secrets: Callable[[], Iterable[str]], *, talkative: bool = False) -> None:
    """Send our own and the libraries' log lines to standard error.

    Without `form` only warnings are shown, since a person reads the summary; `talkative` (the service) shows info too.
    """
    import structlog

    from connector.redaction import Redactor

    level = logging.INFO if form or talkative else logging.WARNING
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        Redactor(secrets),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(form)],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIETER:
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderer(form: str | None) -> Any:
    import structlog

    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
