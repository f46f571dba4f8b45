"""Each link of README, CONTRIBUTING, CHANGELOG and docs/ leads to a file that is there, and to a heading of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def strip_code(text: str) -> str:
    """A page without its blocks and spans of code: a link there is none, and a # no heading."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)


def list_anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", strip_code(page.read_text()), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in LINK.findall(re.sub(r"`[^`]*`", "", strip_code(page.read_text()))):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in list_anchors(target)):
            dead.append(link)
    assert not dead


def test_every_page_is_in_the_site_and_reached_from_the_readme() -> None:
    """Directly, or over other pages."""
    names = {page.name for page in PAGES if page.parent != ROOT}
    site = (ROOT / "mkdocs.yml").read_text()
    assert not [name for name in names if f": {name}\n" not in site]
    reached, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        for link in LINK.findall(page.read_text()):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.is_file() and target not in reached:
                reached.add(target)
                left.append(target)
    assert names <= {page.name for page in reached}
