"""A browser of the system, and pages opened in it that may ask nothing of anybody."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from reconciler.plans import Plan
from reconciler.report.plan_html import plan_html


@dataclass(frozen=True, slots=True)
class Opened:
    """A report in a browser, what it asked for besides itself, and what went wrong or was said by dialogs."""

    page: Page
    asked: list[str]
    complaints: list[str]

    def count(self) -> str:
        return self.page.inner_text("#count")

    def addresses(self) -> list[str]:
        return self.page.locator("#rows h3").all_inner_texts()


Open = Callable[..., Opened]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    contexts = []

    def open_plan(plan: Plan, **how: Any) -> Opened:  # noqa: ANN401 - of a browser's context
        file = tmp_path / "plan.html"
        file.write_text(plan_html(plan), encoding="utf-8", errors="backslashreplace")
        context = browser.new_context(**how)
        contexts.append(context)
        page = context.new_page()
        asked: list[str] = []
        complaints: list[str] = []

        def refuse(route: Route) -> None:
            if route.request.url == file.as_uri():
                route.continue_()
            else:
                asked.append(route.request.url)
                route.abort()

        page.route("**/*", refuse)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(file.as_uri())
        return Opened(page, asked, complaints)

    yield open_plan
    for context in contexts:
        context.close()
