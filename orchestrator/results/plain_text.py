"""Text from rows, paths and names as a terminal may show it: as text."""

from __future__ import annotations


def make_plain(text: str) -> str:
    """Return the text with each character that a terminal would obey, or not show, as its escape.

    An escape sequence in a row could hide lines, rename the window or write to the clipboard. Line breaks stay.
    """
    if text.isprintable():
        return text
    shown = (c if c == "\n" or c.isprintable() else _escape(c) for c in text)
    return "".join(shown)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
