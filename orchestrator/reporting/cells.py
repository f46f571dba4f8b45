"""Cells of the terminal library's tables."""

from __future__ import annotations

from rich.text import Text

from orchestrator.results.plain_text import make_plain


def make_cell(text: str) -> Text:
    """Return plain text for a table of the terminal library, which reads a str as markup."""
    return Text(make_plain(text))
