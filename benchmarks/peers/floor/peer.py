"""The floor: read and parse every page, store nothing. What no tool that reads this CRM page by page can beat."""

from __future__ import annotations

import argparse

import orjson
import requests


def main() -> None:
    """`python peer.py --url http://127.0.0.1:PORT`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    url = parser.parse_known_args()[0].url
    session, params, count = requests.Session(), {"limit": "100"}, 0
    while True:
        answer = session.get(f"{url}/deals", params=params, timeout=60)
        answer.raise_for_status()
        page = orjson.loads(answer.content)
        count += len(page["results"])
        if "paging" not in page:
            break
        params["after"] = page["paging"]["next"]["after"]
    print(count)


if __name__ == "__main__":
    main()
