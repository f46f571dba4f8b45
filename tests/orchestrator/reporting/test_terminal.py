"""What a command prints as text: names and errors as they are."""

from __future__ import annotations

import io

import pytest

from orchestrator.reporting.terminal import Terminal, open_console


@pytest.mark.parametrize(
    "text",
    ["--task digits-loss:top:60", "cifar10-confusion:cat:dog:40", "bad:boom: 2 of 2 failed", "[b]"],
)
def test_a_name_between_colons_is_no_emoji_and_brackets_are_no_markup(text: str) -> None:
    printed = io.StringIO()
    Terminal(open_console(printed)).say(text)
    assert printed.getvalue() == f"{text}\n"
