"""Runs one command and writes what it cost: `python -I -S stopwatch.py RESULT.json COMMAND…`; its exit code is ours.

A process of its own, as small as Python gets: Linux counts the peak memory of a child from that of its parent before
the exec, so whoever measures must be smaller than anything measured. CPU is user + system of the command and of all
processes it has waited for; the peak is that of the largest single one of them.
"""

import json
import os
import sys
import time

started = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - started
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}, file)
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
