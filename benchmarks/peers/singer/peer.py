"""Singer: our tap on the Meltano SDK, piped into MeltanoLabs' target-postgres with its COPY; PostgreSQL only.

The target writes the state to its standard output; the last line is what the next run of the tap is given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

BESIDE = Path(sys.executable).parent


def main() -> None:
    """`python peer.py --url http://127.0.0.1:PORT --store URL --state FOLDER`."""
    parser = argparse.ArgumentParser()
    for name in ("url", "store", "state"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    folder = Path(given.state)
    tap, target, state = folder / "tap.json", folder / "target.json", folder / "state.json"
    tap.write_text(json.dumps({"url": given.url, "start_date": "2024-01-01T00:00:00Z"}), encoding="utf-8")
    target.write_text(
        json.dumps({"sqlalchemy_url": given.store, "use_copy": True, "load_method": "upsert"}), encoding="utf-8"
    )
    reads = [sys.executable, str(Path(__file__).with_name("tap.py")), "--config", str(tap)]
    if state.exists():
        reads += ["--state", str(state)]
    quiet = {**os.environ, "TAP_FAKE_CRM_LOGLEVEL": "WARNING", "TARGET_POSTGRES_LOGLEVEL": "WARNING"}
    with subprocess.Popen(reads, stdout=subprocess.PIPE, env=quiet) as reader:  # noqa: S603  # our own arguments
        written = subprocess.run(  # noqa: S603
            [str(BESIDE / "target-postgres"), "--config", str(target)],
            stdin=reader.stdout, stdout=subprocess.PIPE, env=quiet, check=True,
        ).stdout.splitlines()
    if reader.returncode:
        sys.exit(reader.returncode)
    if written:
        state.write_bytes(written[-1])


if __name__ == "__main__":
    main()
