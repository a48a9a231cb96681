"""A small picture of a digest: a bar for each value with a target, numbered as in the text, and a line at the whole of
it. Names stand in the text only: Pillow's own font has no letters beyond Latin-1."""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import Decimal

from adapters._digest_message import Bar

_WIDTH, _ROW, _EDGE, _LEFT, _RIGHT = 480, 22, 10, 30, 60  # pixels
_MOST = Decimal("1.5")  # longer bars are cut here; their number says the rest
_ON, _OFF, _INK, _LINE = "#2b8a3e", "#c92a2a", "#212529", "#868e96"


def png(bars: Sequence[Bar]) -> bytes:
    """The picture. Same bars, same bytes."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (_WIDTH, 2 * _EDGE + _ROW * len(bars)), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(13)
    room = _WIDTH - _LEFT - _RIGHT
    for place, bar in enumerate(bars):
        top = _EDGE + place * _ROW
        length = int(room * min(max(bar.attained, Decimal(0)), _MOST) / _MOST)
        draw.text((_EDGE, top + 3), f"{bar.number}.", _INK, font)
        draw.rectangle((_LEFT, top + 4, _LEFT + length, top + _ROW - 4), _ON if bar.is_on_track else _OFF)
        draw.text((_WIDTH - _RIGHT + 6, top + 3), f"{round(bar.attained * 100)} %", _INK, font)
    whole = _LEFT + int(room / _MOST)
    draw.line((whole, _EDGE, whole, _EDGE + _ROW * len(bars)), _LINE)
    made = io.BytesIO()
    image.save(made, "PNG", optimize=True)
    return made.getvalue()
