"""`orchestrator list unlearners`: families, papers, needs, and what was verified."""

from __future__ import annotations

import pytest

from orchestrator.cli.main import main
from tasks.unlearners import UNLEARNERS, list_families
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.unlearners.verified import verified_of


@pytest.fixture
def listed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["list", "unlearners"]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_method_is_listed_with_what_was_verified_of_it(listed: list[str]) -> None:
    for name in UNLEARNERS:
        place = next(n for n, line in enumerate(listed) if line.startswith(f"{name}: "))
        assert listed[place + 1].startswith("    verified: rule from ")
        assert ". Tests: " in listed[place + 1]


def test_methods_stand_by_family_and_say_what_they_need(listed: list[str]) -> None:
    headings = [line.split()[1] for line in listed if "--unlearners family:" in line]
    assert headings == list(list_families())
    (lotus,) = (line for line in listed if line.startswith("lotus: "))
    assert "needs calibration" in lotus


def test_a_method_speaks_for_itself_alone() -> None:
    """A plug-in that extends a method was not verified because that one was."""

    class Mine(Finetune):
        """Mine."""

    assert verified_of(Finetune) is not None
    assert verified_of(Mine) is None
