"""The docs' site as files in a browser: read without a network, searched, and in nobody's way."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import Open, watched
from playwright.sync_api import Browser

SITE = Path(os.environ["SITE"]).resolve()
PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if path.name != "404.html")  # a server's

# The theme's script makes a `nav` of each block's copy button.
RULES = {"rules": {"landmark-unique": {"enabled": False}}}


@pytest.fixture
def read(browser: Browser) -> Iterator[Open]:
    """Yield what opens a page of the site."""
    with ExitStack() as stack:
        own = f"{SITE.as_uri()}/"
        yield lambda name, **how: watched(browser, stack, own + name, lambda url: url.startswith(own), **how)


def test_the_site_has_every_page_of_the_docs() -> None:
    written = {path.name for path in (Path(__file__).parents[1] / "docs").rglob("*.md")}
    assert {Path(name).with_suffix(".md").name for name in PAGES} == written


def test_no_page_fetches_or_complains_of_anything(read: Open) -> None:
    site = read(PAGES[0])
    for name in PAGES:
        site.page.goto(f"{SITE.as_uri()}/{name}")
        assert (site.asked, site.complaints) == ([], []), name


def test_the_search_finds_a_page_where_no_server_is(read: Open) -> None:
    page = read("index.html").page
    page.get_by_label("Search", exact=True).nth(1).click()
    page.locator("input[name=query]").press_sequentially("external_id")
    page.locator(".md-search-result__link").first.wait_for()
    assert page.locator(".md-search-result__link").first.get_attribute("href") is not None


@pytest.mark.parametrize("name", ["llms.txt", "llms-full.txt"])
def test_machine_readers_find_every_page_as_text(name: str) -> None:
    text = (SITE / name).read_text("utf-8")
    listed = re.findall(r"\]\(([\w/.-]+\.md)\)" if name == "llms.txt" else r"<!-- (\S+\.md) -->", text)
    assert {Path(one).with_suffix(".html").as_posix() for one in listed} | {"index.html"} == set(PAGES)
    assert [one for one in listed if not (SITE / one).is_file()] == []


@pytest.mark.parametrize(
    ("way", "width", "scheme"), [(0, 1280, "light"), (1, 1280, "dark"), (2, 400, "light"), (3, 400, "dark")]
)
def test_the_docs_are_in_nobodys_way(read: Open, way: int, width: int, scheme: str) -> None:
    page = read(PAGES[0], viewport={"width": width, "height": 900}, color_scheme=scheme).page
    for name in PAGES[way::4]:  # every page in one way: each takes a second
        page.goto(f"{SITE.as_uri()}/{name}")
        found = Axe().run(page, options=RULES).response["violations"]
        assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
