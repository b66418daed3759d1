"""A browser of the system, and pages opened in it that may ask nothing of anybody."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator
from reconciler.model.plan import Plan
from reconciler.model.reports import Drift
from reconciler.report.drift_page import drift_html
from reconciler.report.fleet_page import FleetStatus, status_html
from reconciler.report.plan_html import plan_html


@dataclass(frozen=True, slots=True)
class Opened:
    """A page in a browser, what it asked for besides itself, and what went wrong or was said by dialogs."""

    page: Page
    asked: list[str]
    complaints: list[str]

    def count(self) -> str:
        return self.page.inner_text("#count")

    def addresses(self) -> list[str]:
        return self.page.locator("#rows h3").all_inner_texts()


Open = Callable[..., Opened]
Emulated = Callable[..., Opened]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_report(of: Plan | Drift | FleetStatus, **how: Any) -> Opened:  # noqa: ANN401 - of a browser's context
            file = tmp_path / "report.html"
            match of:
                case Plan():
                    text = plan_html(of)
                case Drift():
                    text = drift_html(of)
                case FleetStatus():
                    text = status_html(of)
            file.write_text(text, encoding="utf-8", errors="backslashreplace")
            return watched(browser, stack, file.as_uri(), lambda url: url == file.as_uri(), **how)

        yield open_report


@pytest.fixture
def emulated(browser: Browser) -> Iterator[Emulated]:
    """Yield what opens the page of an emulator."""
    with ExitStack() as stack:

        def open_emulator(emulator: Emulator, **how: Any) -> Opened:  # noqa: ANN401 - of a browser's context
            url = stack.enter_context(running(emulator))
            return watched(browser, stack, f"{url}/", lambda asked: asked.startswith(f"{url}/"), **how)

        yield open_emulator


def watched(browser: Browser, stack: ExitStack, url: str, own: Callable[[str], bool], **how: Any) -> Opened:  # noqa: ANN401 - of a browser's context
    """Open a page that gets only what is its `own`, until `stack` is closed."""
    context = browser.new_context(**how)
    stack.callback(context.close)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []

    def refuse(route: Route) -> None:
        if own(route.request.url):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    page.route("**/*", refuse)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(url)
    return Opened(page, asked, complaints)
