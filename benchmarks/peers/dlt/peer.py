"""dlt as its documentation has it: the rest_api source, incremental on updatedAt, merged on id, history a child table.

https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api; on SQLite the loader has one worker, else it locks.
The pipeline's state lies in `--state`, so a second run reads only what changed.
"""

from __future__ import annotations

import argparse
import os

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

import dlt
from dlt.sources.rest_api import RESTAPIConfig, rest_api_source


def source(url: str) -> dlt.sources.DltSource:
    """Deals and owners."""
    config: RESTAPIConfig = {
        "client": {"base_url": url},
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
        "resources": [
            {
                "name": "deals",
                "endpoint": {
                    "path": "deals",
                    "params": {"limit": 100, "updated_since": "{incremental.start_value}"},
                    "data_selector": "results",
                    "paginator": {"type": "cursor", "cursor_path": "paging.next.after", "cursor_param": "after"},
                    "incremental": {"cursor_path": "updatedAt", "initial_value": "2024-01-01T00:00:00.000000Z"},
                },
            },
            {"name": "owners", "endpoint": {"path": "owners", "data_selector": "results", "paginator": "single_page"}},
        ],
    }
    return rest_api_source(config)


def main() -> None:
    """`python peer.py --url http://127.0.0.1:PORT --store URL --state FOLDER`."""
    parser = argparse.ArgumentParser()
    for name in ("url", "store", "state"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    if given.store.startswith("sqlite"):
        os.environ["LOAD__WORKERS"] = "1"
        destination = dlt.destinations.sqlalchemy(credentials=given.store)
    else:
        destination = dlt.destinations.postgres(credentials=given.store)
    pipeline = dlt.pipeline(
        "benchmark", destination=destination, dataset_name="crm", pipelines_dir=given.state, progress=None
    )
    pipeline.run(source(given.url)).raise_on_failed_jobs()
    counts = pipeline.last_trace.last_normalize_info.row_counts if pipeline.last_trace.last_normalize_info else {}
    print(counts.get("deals", 0))


if __name__ == "__main__":
    main()
