"""A budget of wall time: how it is written, what still begins in it, what is left of it after a kill."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime, timedelta

import pytest
from store_sweeps import contents, make_sweep

from orchestrator.cli.main import main
from orchestrator.config import SweepConfig
from orchestrator.config.wall_time import read_duration
from orchestrator.execution.time_limit import END_SECONDS, TimeIsUp, TimeLimit
from orchestrator.reporting.progress import Progress
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.results.store import read_finished_trials
from orchestrator.search.adaptive import Adaptive
from orchestrator.search.allocation import Allocation
from orchestrator.sweeps.budget import (
    ENDLESS,
    budgets,
    count_per_method,
    is_open,
    stored_budgets,
)
from orchestrator.sweeps.folder import hold_sweep, read_config, store_config, store_end
from orchestrator.sweeps.stored.adopted import adopt_stored
from orchestrator.sweeps.stored.allocated import make_allocation
from orchestrator.sweeps.stored.ended import find_ended_rows
from orchestrator.sweeps.stored.resumed import read_to_resume
from orchestrator.sweeps.stored.spent_time import measure_time_left, measure_union
from tasks.errors import InvalidValue

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIMED = SweepConfig(
    task="digits-class:1",
    unlearners=("finetune", "ssd"),
    name="timed",
    budget="30m",
    granted_at=NOON.isoformat(),
    references=2,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400), ("1H2M3S", 3723)],
)
def test_durations_as_people_write_them(text, seconds):
    assert read_duration("budget", text) == seconds


@pytest.mark.parametrize("text", ["30", "", "m", "1x", "30m1h", "nan", "inf", "-3m", "9s", "9000h"])
def test_what_is_no_duration_is_one_line_that_names_the_form(text):
    with pytest.raises(InvalidValue, match=r"--budget .*(such as 30m|out of range: 10s)") as raised:
        SweepConfig(budget=text).validate()
    assert "\n" not in str(raised.value)


def limit(seconds: float, **expected: float) -> TimeLimit:
    """A limit of so many seconds in which trials may run, of a budget of 1000."""
    return limit_other(Allocation(), seconds, **expected)


def limit_other(allocation: Allocation, seconds: float, **expected: float) -> TimeLimit:
    return TimeLimit(allocation, time.monotonic() + END_SECONDS + seconds, 1000, expected)


def rows(seconds: float) -> list[dict[str, float]]:
    return [{"load_seconds": 1.0, "unlearn_seconds": seconds - 2.0, "evaluate_seconds": 1.0}]


def test_a_trial_begins_only_if_it_is_expected_to_end_in_time():
    assert limit(20, slow=50, quick=10).choose({"slow": 9, "quick": 3}) == "quick"
    assert limit(100, slow=50, quick=10).choose({"slow": 9, "quick": 3}) == "slow"


def test_what_trials_took_goes_before_the_estimate():
    timed = limit(20, slow=50)
    for _ in range(2):
        timed.note("slow", rows(5))
    assert timed.expect("slow") == 5
    assert timed.choose({"slow": 1}) == "slow"
    timed.note("slow", [{"state": "failed", "unlearn_seconds": None}])
    assert timed.expect("slow") == 5


def test_trials_of_earlier_drivers_go_before_the_estimate_too(tmp_path):
    config = make_sweep(
        str(tmp_path), "s", [(0.9, 0.8, 0.1), (0.5, 0.2, 0.2)], unlearn_seconds=40.0
    )
    timed = dataclasses.replace(config, trials=None, budget="30m", unlearners=("ssd", "finetune"))
    finished = [t for t in read_finished_trials(str(tmp_path), "s").values() if t[-1]["unlearner"]]
    ends_at = time.monotonic() + END_SECONDS + 30
    for allocation in ("equal", "adaptive"):
        timed = dataclasses.replace(timed, allocation=allocation)
        made = make_allocation(timed, finished, None, ends_at, {"ssd": 1.0, "finetune": 10.0})
        assert isinstance(made, TimeLimit)
        assert (made.expect("ssd"), made.expect("finetune")) == (40, 10)
        assert made.choose({"ssd": 9, "finetune": 3}) == "finetune"
        made.note("ssd", [{**rows(10)[0], "state": "failed"}])
        assert made.expect("ssd") == 30


def test_while_more_than_the_slack_is_left_the_shortest_begins_all_the_same():
    assert limit(40, slow=500, quick=100).choose({"slow": 9, "quick": 3}) == "quick"
    assert limit(20, slow=500, quick=100).choose({"slow": 9, "quick": 3}) is None
    assert limit(40, quick=1).choose({"quick": 0}) is None
    assert limit(40, slow=500, quick=100).choose({"slow": 9, "quick": 0}) == "slow"


@pytest.mark.parametrize(
    ("left", "trials"), [({"fast": -4, "slow": 9}, 5), ({"fast": 1, "slow": 9}, 10)]
)
@pytest.mark.parametrize("seconds", [20, 200])
def test_where_trials_are_one_number_for_all_methods_those_that_do_not_fit_count_too(
    left, trials, seconds
):
    """Favoured methods have had more trials than they had at first; what is left is the sum."""
    timed = limit_other(Adaptive(OBJECTIVES["pareto"], 0), seconds, fast=10, slow=100)
    assert run_all(timed, left, fits=["fast"] if seconds < 100 else ["fast", "slow"]) == trials
    few = {"fast": -8, "slow": 9}
    timed = limit_other(Adaptive(OBJECTIVES["pareto"], 0), seconds, fast=1000, slow=10)
    assert run_all(timed, few, fits=["slow"]) == 1


def test_where_no_method_fits_the_shortest_that_may_have_a_trial_begins_all_the_same():
    favoured = Adaptive(OBJECTIVES["pareto"], 0)
    timed = limit_other(favoured, 40, fast=100, slow=500)
    assert timed.choose({"fast": -4, "slow": 9}) == "fast"
    assert timed.choose({"fast": -9, "slow": 9}) is None
    single = Adaptive(OBJECTIVES["pareto"], 0, single=["fast"])
    timed = limit_other(single, 40, fast=100, slow=500)
    assert [timed.choose({"fast": 1, "slow": 9}) for _ in range(2)] == ["fast", "slow"]


def run_all(timed: TimeLimit, left: dict[str, int], fits: list[str]) -> int:
    """Take trials as a search does, until none is left; returns how many began."""
    left, began = dict(left), 0
    while (chosen := timed.choose(left)) is not None:
        assert chosen in fits
        left[chosen] -= 1
        began += 1
    return began


def test_when_time_is_up_nothing_begins_and_what_runs_is_stopped():
    over = limit(-1, quick=0)
    assert over.choose({"quick": 3}) is None
    with pytest.raises(TimeIsUp):
        over.check()
    limit(5).check()


def test_what_is_left_after_a_kill_is_what_no_trial_ran_in():
    def last(begin: float, end: float) -> dict[str, object]:
        ended = NOON + timedelta(seconds=end)
        return {"finished_at": ended, "unlearn_seconds": end - begin}

    beside_each_other = [last(10, 100), last(50, 200), last(300, 400)]
    assert measure_time_left(TIMED, beside_each_other) == pytest.approx(1800 - 290)
    before = [last(-100, -50), last(-50, 50)]
    assert measure_time_left(TIMED, before) == pytest.approx(1800 - 50)
    assert measure_union([(0, 1), (0.5, 0.7), (3, 4)]) == 2


def test_time_alone_leaves_the_number_of_trials_open_until_it_is_over():
    assert is_open(TIMED)
    assert budgets(TIMED) == {"finetune": ENDLESS, "ssd": ENDLESS}
    over = dataclasses.replace(TIMED, budgets={"finetune": 7, "ssd": 6})
    assert not is_open(over)
    assert budgets(over) == stored_budgets(over) == {"finetune": 7, "ssd": 6}
    both = dataclasses.replace(TIMED, trials=5)
    assert not is_open(both)
    assert budgets(both) == stored_budgets(both) == {"finetune": 5, "ssd": 5}


def test_a_sweep_whose_time_is_over_gets_more_time_or_trials(tmp_path):
    root = str(tmp_path)
    with hold_sweep("timed", root, print) as own:
        store_config(dataclasses.replace(TIMED, storage=root), own)
        assert adopt_stored(read_to_resume("timed", root)).granted_at == NOON.isoformat()
        assert find_ended_rows(read_config("timed", root)) is None
        store_end(TIMED, {"finetune": 0, "ssd": 0}, own)
    again = SweepConfig(**{n: getattr(TIMED, n) for n in ("task", "name", "budget")}, storage=root)
    assert adopt_stored(again).budgets == {"finetune": 0, "ssd": 0}
    more = adopt_stored(read_to_resume("timed", root, budget="10m"))
    assert (more.budget, more.granted_at, more.budgets, more.trials) == ("10m", None, None, None)
    counted = adopt_stored(read_to_resume("timed", root, trials=9))
    assert (counted.budget, counted.trials) == (None, 9)
    with pytest.raises(InvalidValue, match="such as 30m"):
        read_to_resume("timed", root, budget="soon")
    with pytest.raises(InvalidValue, match="--budget 10m"):
        adopt_stored(dataclasses.replace(again, budget="10m"))


ENDED = [(0.9, 0.8, 0.1), None, (0.5, 0.2, 0.2)]


@pytest.mark.parametrize("budgets", [None, {"ssd": 2}])
def test_trials_that_a_budget_of_time_has_left_are_not_dropped(tmp_path, capsys, budgets):
    """Also not those of a driver that was killed, or that stored a row at the very end."""
    root = str(tmp_path)
    timed = {"trials": None, "budget": "30m", "granted_at": NOON.isoformat(), "budgets": budgets}
    make_sweep(root, "s", ENDED, config=timed)
    before = contents(root)
    assert main(["resume", "s", "--trials", "2", "--storage", root]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "has 3 per method already" in line
    assert contents(root) == before
    with pytest.raises(InvalidValue, match="has 3 per method already"):
        read_to_resume("s", root, budget="10m", trials=2)
    assert read_to_resume("s", root, trials=3).trials == 3


def test_the_method_with_most_trials_says_how_many_there_are_and_of_an_adaptive_sweep_all(tmp_path):
    root = str(tmp_path)
    for name, allocation in (("equal", "equal"), ("adaptive", "adaptive")):
        config = dataclasses.replace(TIMED, name=name, storage=root, allocation=allocation)
        with hold_sweep(name, root, print) as own:
            store_config(config, own)
            store_end(config, {"finetune": 40, "ssd": 3}, own)
    with pytest.raises(InvalidValue, match="has 40 per method already"):
        read_to_resume("equal", root, trials=39)
    assert read_to_resume("equal", root, trials=40).trials == 40
    with pytest.raises(InvalidValue, match="has 22 per method already"):
        read_to_resume("adaptive", root, trials=21)
    assert read_to_resume("adaptive", root, trials=22).trials == 22


def test_a_method_without_anything_to_search_has_no_share_in_an_adaptive_sweeps_number():
    fixed = ("ssd.selection=5", "ssd.dampening=1", "ssd.retain_share=1")
    config = dataclasses.replace(TIMED, allocation="adaptive", set=fixed)
    assert count_per_method(config, {"finetune": 40, "ssd": 1}) == 40
    assert budgets(dataclasses.replace(config, budget=None, trials=40)) == {
        "finetune": 40,
        "ssd": 1,
    }


def test_resuming_a_budget_in_which_no_trial_fitted_says_so_without_ray(tmp_path, capsys):
    root = str(tmp_path)
    timed = {"trials": None, "budget": "30m", "granted_at": NOON.isoformat(), "budgets": {"ssd": 0}}
    make_sweep(root, "s", [], config=timed)
    assert main(["resume", "s", "--storage", root]) == 1
    said = capsys.readouterr().out
    assert "no trial fitted into the budget of 30m; for more: " in said
    assert f"orchestrator resume s --budget 30m --storage {root}\n" in said
    assert "starting Ray" not in said


def test_progress_says_how_much_of_the_budget_is_left():
    progress = Progress(OBJECTIVES["pareto"], None, ends_at=time.monotonic() + 1799)
    assert progress.format_line().endswith("30 min of the budget left")
    assert progress.total == 0
    progress.done = 3
    progress.close()
    assert (progress.total, progress.left) == (3, 0)
    assert "3/3 trials" in progress.format_line()
