"""The names people give to stages, English and Vietnamese, by the step they stand for.

Only words that leave no doubt. A name is read from its longest words to its shortest, so "not qualified" is read before
"qualified"; a name with words of two steps says nothing. Vietnamese is known with its accents and without.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from connector.model import Canonical

WORDS: Mapping[Canonical, tuple[str, ...]] = {
    Canonical.PROSPECTING: (
        "prospect", "prospecting", "lead", "new lead", "lead in", "new", "incoming", "inbound", "first contact",
        "contact made", "contacted", "appointment", "appointment scheduled", "appointment set", "target", "identified",
        "mới", "khách hàng mới", "cơ hội mới", "tiềm năng", "khách hàng tiềm năng", "tiếp cận", "tìm kiếm",
        "liên hệ", "liên hệ lần đầu", "đã liên hệ", "hẹn gặp", "đã hẹn gặp", "đặt lịch hẹn",
    ),
    Canonical.QUALIFICATION: (
        "qualification", "qualified", "qualify", "qualifying", "qualified to buy", "discovery", "needs analysis",
        "need analysis", "needs defined", "opportunity", "opportunity identified",
        "đánh giá", "đánh giá nhu cầu", "xác định nhu cầu", "tìm hiểu nhu cầu", "khảo sát", "khảo sát nhu cầu",
        "phân tích nhu cầu", "đủ điều kiện", "đạt chuẩn", "cơ hội",
    ),
    Canonical.PROPOSAL: (
        "proposal", "proposal sent", "proposal made", "offer", "offer sent", "quote", "quote sent", "quotation",
        "quotation sent", "price quote", "presentation", "presentation scheduled", "demo", "demo scheduled",
        "decision maker bought in", "báo giá", "gửi báo giá", "đã gửi báo giá", "đề xuất", "gửi đề xuất", "chào giá",
        "thuyết trình", "giới thiệu giải pháp", "demo sản phẩm",
    ),
    Canonical.NEGOTIATION: (
        "negotiation", "negotiating", "negotiations", "in negotiation", "negotiation started", "contract sent",
        "contract review", "verbal agreement", "verbal commitment", "commitment",
        "thương lượng", "đàm phán", "thương thảo", "thương thảo hợp đồng", "đàm phán hợp đồng", "gửi hợp đồng",
        "đã gửi hợp đồng", "chờ ký", "chờ ký hợp đồng", "chờ chốt",
    ),
    Canonical.CLOSED_WON: (
        "won", "closed won", "close won", "deal won", "win", "success", "successful", "renewed", "order placed",
        "đã chốt", "chốt đơn", "đã chốt đơn", "chốt thành công", "thành công", "thắng", "đã thắng", "đã ký",
        "đã ký hợp đồng", "gia hạn thành công", "đã gia hạn",
    ),
    Canonical.CLOSED_LOST: (
        "lost", "closed lost", "close lost", "deal lost", "disqualified", "unqualified", "not qualified", "not won",
        "churned", "churn", "cancelled", "canceled", "abandoned", "rejected", "declined", "dead",
        "thất bại", "thua", "mất", "đã mất", "mất khách", "hủy", "đã hủy", "từ chối", "bị từ chối", "không thành công",
        "không đủ điều kiện", "không đạt",
    ),
}

_DENIALS = {"not", "no", "non", "un", "without", "pre", "chưa", "không", "chua", "khong"}
"""A name with one of these that no known words explain may say the opposite of the others."""


def plain(name: str) -> str:
    """A name in small letters with single spaces, without numbers, signs and pictures: `4. Đã chốt 🎉` is `đã chốt`."""
    text = unicodedata.normalize("NFC", name).casefold()
    return " ".join(re.findall(r"[^\W\d_]+", text))


def bare(text: str) -> str:
    """Letters without their accents: `đã chốt` is `da chot`."""
    apart = unicodedata.normalize("NFD", text.replace("đ", "d"))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


_KNOWN: Mapping[str, Canonical] = {plain(words): step for step, listed in WORDS.items() for words in listed}
_BARE: Mapping[str, Canonical] = {bare(words): step for words, step in _KNOWN.items()}


def meaning(name: str) -> Canonical | None:
    """The one step a name speaks of; None where it names none, or several, or may deny it."""
    text = plain(name)
    known = _KNOWN if text != bare(text) else _BARE
    found: set[Canonical] = set()
    left = f" {text} "
    for words in sorted(known, key=len, reverse=True):
        if f" {words} " in left:
            found.add(known[words])
            left = left.replace(f" {words} ", " | ")
    if len(found) != 1 or _DENIALS & set(left.split()):
        return None
    return found.pop()
