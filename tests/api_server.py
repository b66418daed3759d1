"""A ModelApi with a clock and a client that has a token, for the tests of the model itself."""

from __future__ import annotations

import httpx
from api_model import ModelApi, Ways
from api_ways import Hook, healthy

NOON = 1_767_614_400.0
URL = "https://api.example"


class Server:
    """A ModelApi, its clock, and a client that has a token."""

    def __init__(self, ways: Ways | None = None, fault: Hook = healthy) -> None:
        self.time = NOON
        self.api = ModelApi(ways or Ways(), lambda: self.time)
        self.account = self.api.account
        self.http = httpx.Client(base_url=URL, transport=httpx.MockTransport(self.api.handler))
        reply = self.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("local", "local"))
        self.http.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"
        self.api.seen.clear()
        self.api.fault = fault

    def pages(self, path: str = "/customers", **query: str) -> list[list[str]]:
        """Return the ids of every page of a list, page by page."""
        pages, after = [], ""
        while True:
            page = self.http.get(path, params={"after": after, **query}).json()
            pages.append([row["id"] for row in page["data"]])
            shape = page.get("pagination", page)
            if not shape["has_next_page"]:
                return pages
            after = shape["end_cursor"]
