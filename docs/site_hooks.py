"""
What MkDocs calls while it builds the site: `make site`.

index.md is the one list of pages: the navigation, and llms.txt for machine readers, are read off it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
_LINK = re.compile(r"\[(?P<title>[^\]]+)\]\((?P<page>[\w/.-]+\.md)\)(?P<after>[^\[\n]*)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the navigation: what stands before the first heading of index.md, then a section for each heading."""
    pages: list[Any] = [{"Home": "index.md"}]
    for heading, links in sections():
        rows = [{title[:1].upper() + title[1:]: page} for title, page, _ in links]
        pages += [{heading: rows}] if heading else rows
    config.nav = pages
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the schemas, which pages of the reference link to, and the pages as they are written, for llms.txt."""
    for path in sorted((ROOT / "schema").glob("*.*")):
        files.append(File.generated(config, f"schema/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - its shape
    """Return a page whose links out of the docs lead to the site's copies."""
    return markdown.replace("](../../schema/", "](../schema/")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001 - its shape
    """Return a page's HTML with what the theme lacks for those who hear it: a name, and no header that is empty."""
    named = output.replace('role="dialog"', 'role="dialog" aria-label="Search"')
    return named.replace("<th></th>", "<td></td>")


def on_post_build(config: MkDocsConfig) -> None:
    """Write llms.txt, all pages in one llms-full.txt, and each page beside its HTML as it is written."""
    site = Path(config.site_dir)
    (site / "llms.txt").write_text(llms(config.site_name, config.site_description or ""), encoding="utf-8")
    names = ["index.md", *(page for _, links in sections() for _, page, _ in links)]
    texts = {name: (DOCS / name).read_text(encoding="utf-8") for name in names}
    for name, text in texts.items():
        (site / name).write_text(text, encoding="utf-8")
    whole = "\n\n".join(f"<!-- {name} -->\n\n{text.strip()}" for name, text in texts.items())
    (site / "llms-full.txt").write_text(f"{whole}\n", encoding="utf-8")


def sections() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Yield each heading of index.md, "" for what stands above them, with its links: title, page and what follows."""
    for part in re.split(r"^## ", (DOCS / "index.md").read_text(encoding="utf-8"), flags=re.MULTILINE):
        heading, _, body = part.partition("\n")
        links = [(one["title"], one["page"], one["after"]) for one in _LINK.finditer(body)]
        if links:
            yield "" if heading.startswith("# ") else heading, links


def llms(name: str, description: str) -> str:
    """Return llms.txt (llmstxt.org): what it is, and a link to each page with a note."""
    lines = [f"# {name}", "", f"> {description}", ""]
    lines += ["All pages in one: [llms-full.txt](llms-full.txt). JSON Schemas: `schema/NAME.schema.json`."]
    lines += ["The API as OpenAPI: `schema/openapi.yaml`."]
    for heading, links in sections():
        lines += ["", f"## {heading or 'Begin here'}", ""]
        lines += [f"- [{title[:1].upper() + title[1:]}]({page}){_note(after)}" for title, page, after in links]
    return "\n".join([*lines, ""])


def _note(after: str) -> str:
    """Return what a line of index.md says of a page, as a note; "" where it says nothing."""
    words = after.strip(" :,.").removeprefix("and").strip()
    return f": {words}" if len(words) > len("of a run") else ""
