"""Two drivers started on one sweep: one runs it, the other says so and goes."""

from __future__ import annotations

import io

import pytest
from program import rows_of
from rich.console import Console
from running import Sweep

from orchestrator.config import SweepConfig
from orchestrator.reporting.terminal import Terminal
from orchestrator.sweeps.run import run_sweep
from tasks.errors import InvalidValue

ON_THE_TEST_HALF = "test_accuracy_retained:max"


def test_of_two_drivers_started_at_once_the_second_refuses(storage):
    sweep = Sweep(storage, "both", unlearners=("finetune",))
    drivers = [sweep.start(), sweep.start()]
    said = [driver.communicate(timeout=300)[0] for driver in drivers]
    assert sorted(driver.returncode for driver in drivers) == [0, 2], said
    (refused,) = (text for text, d in zip(said, drivers, strict=True) if d.returncode == 2)
    assert "is being run by another process" in refused
    assert refused.splitlines()[:-1] == ["getting ready: both"]
    sweep.assert_whole()


class Meanwhile(io.StringIO):
    """A terminal in front of which another sweep is run, between a driver's first word and the next."""

    def __init__(self, other: Sweep) -> None:
        super().__init__()
        self._other: Sweep | None = other

    def write(self, text: str) -> int:
        other, self._other = self._other, None
        if other is not None:
            said, _ = (process := other.start()).communicate(timeout=300)
            assert process.returncode == 0, said
        return super().write(text)


@pytest.mark.slow  # a race of seconds; the test above is of the usual one
def test_a_sweep_that_began_and_ended_before_the_claim_keeps_its_configuration(storage):
    """The driver says that its objective is on the test half after it has found the name free."""
    other = Sweep(storage, "raced", unlearners=("ssd",), trials=1)
    config = SweepConfig(
        task=other.task, name="raced", storage=str(storage), unlearners=("finetune",), trials=1,
        objective=ON_THE_TEST_HALF,
    )  # fmt: skip
    with pytest.raises(InvalidValue, match="exists with another configuration"):
        run_sweep(config, Terminal(Console(file=Meanwhile(other))))
    other.assert_whole()
    assert {r["unlearner"] for r in rows_of(storage, "raced")} == {None, "retrain", "ssd"}
