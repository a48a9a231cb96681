"""What the ledger depends on, in order of knowledge: pages, finished passes, file versions, decisions.

Each kind of entry has one function that takes it in (`take_page`, `take_pass`, `take_mapping`, `retry`); live runs call
it as the entry is written, `rebuild` calls it again for every entry. So ledger = replay(journal).
"""

from connector.journal.decisions import decide, retry
from connector.journal.entries import (
    PageEntry,
    Reads,
    made_by,
    map_page,
    plan_pages,
    take_page,
    take_pages,
)
from connector.journal.files import (
    check_in_force,
    latest_file,
    latest_version,
    load_mapping,
    mapping_settings,
    put_file,
    write_file,
)
from connector.journal.known import mark_known, unknown_sources
from connector.journal.mappings import activate, latest_records, map_again, take_mapping
from connector.journal.passes import (
    deleted_records,
    ended_records,
    known_records,
    later_records,
    live_records,
    plan_pass,
    stamped_records,
    take_pass,
    taken_records,
    unread_records,
)
from connector.journal.replay import rebuild

__all__ = [
    "PageEntry",
    "Reads",
    "activate",
    "check_in_force",
    "decide",
    "deleted_records",
    "ended_records",
    "known_records",
    "later_records",
    "latest_file",
    "latest_records",
    "latest_version",
    "live_records",
    "load_mapping",
    "made_by",
    "map_again",
    "map_page",
    "mapping_settings",
    "mark_known",
    "plan_pages",
    "plan_pass",
    "put_file",
    "rebuild",
    "retry",
    "stamped_records",
    "take_mapping",
    "take_page",
    "take_pages",
    "take_pass",
    "taken_records",
    "unknown_sources",
    "unread_records",
    "write_file",
]
