"""What somebody who slipped may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def hint(found: object, known: Iterable[str]) -> str:
    """`; did you mean NAME?` where one of the names is much like it, else nothing."""
    near = difflib.get_close_matches(str(found), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
