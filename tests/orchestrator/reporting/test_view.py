"""What a sweep shows while it runs: counts, best values, hypervolume, time left, and its estimate."""

from __future__ import annotations

import dataclasses
import io
import math
import re
from typing import Any

import numpy as np
import pytest
from clocks import Clock
from optuna.samplers import RandomSampler
from rich.console import Console

from orchestrator.reporting.durations import spell_duration
from orchestrator.reporting.progress import Progress
from orchestrator.reporting.terminal import PLAIN_EVERY_SECONDS, Terminal
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.search.fast_proposals import distribution
from orchestrator.sweeps.stages.estimate import (
    expected,
    seconds_per_trial,
    sweep_seconds,
    training_seconds,
)
from orchestrator.worker.baselines import Speed
from tasks.search_space import Categorical, Domain, Float, Int, search_space
from tasks.unlearners import unlearner_class


def point(accuracy: float, hidden: float, seconds: float, state: str = "complete") -> dict:
    return {
        "state": state,
        "validation_accuracy_retained": accuracy,
        "validation_indistinguishability": hidden,
        "unlearn_seconds": seconds,
        "relative_cost": seconds / 100,
    }


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the progress and of the terminal."""
    clock = Clock()
    for module in ("progress", "terminal"):
        monkeypatch.setattr(f"orchestrator.reporting.{module}.time", clock)
    return clock


@pytest.fixture
def progress(clock: Clock) -> Progress:
    """Of ten trials one is done, one pruned, one failed; a retrain takes 100 seconds."""
    shown = Progress(OBJECTIVES["pareto"], 10)
    shown.finish([point(0.5, 1.0, 25.0), point(1.0, 0.5, 50.0)])
    shown.finish([point(0.1, 0.1, 90.0, "pruned")])
    shown.finish([{"state": "failed"}])
    shown.running = 2
    return shown


def test_the_line_counts_trials_and_says_the_best_of_each_objective(progress):
    line = progress.format_line()
    assert line.startswith("3/10 trials, 2 running, 1 failed, 1 pruned; best ")
    for best in (
        "validation_accuracy_retained 1", "validation_indistinguishability 1", "relative_cost 0.25",
    ):  # fmt: skip
        assert best in line
    assert "left" in line


def test_the_hypervolume_is_that_of_the_points_above_the_reference(progress):
    # Two boxes, .5 x 1 x .75 and 1 x .5 x .5, which share .5 x .5 x .5; the third lies within.
    assert progress.hypervolume == pytest.approx(0.375 + 0.25 - 0.125)


def test_trials_of_an_earlier_driver_say_nothing_of_this_ones_speed():
    progress = Progress(OBJECTIVES["pareto"], 2)
    progress.resume([[point(0.5, 0.5, 10.0)]])
    assert progress.format_line().startswith("1/2 trials")
    assert progress.format_line().endswith("time left unknown yet")
    progress.finish([point(0.5, 0.5, 10.0)])
    assert "took" in progress.format_line()


def test_before_the_first_trial_has_ended_the_estimate_says_how_long_it_takes():
    assert (
        Progress(OBJECTIVES["pareto"], 2, None, 1800.0).format_line().endswith("about 30 min left")
    )
    assert (
        Progress(OBJECTIVES["pareto"], 2, None, 0.0).format_line().endswith("longer than estimated")
    )


def test_the_estimate_counts_until_a_twentieth_is_done_and_then_the_measured_rate(clock):
    """The first trial of a hundred may have been the quickest of all."""
    progress = Progress(OBJECTIVES["pareto"], 100, None, 1800.0)
    for _ in range(4):
        progress.finish([point(0.5, 0.5, 10.0)])
    assert progress.format_line().endswith("about 30 min left")
    clock.now += 60
    progress.finish([point(0.5, 0.5, 10.0)])
    assert progress.format_line().endswith("about 19 min left"), "95 trials of 12 s each"


def console(**how: Any) -> Console:
    return Console(file=io.StringIO(), record=True, width=100, **how)


def test_in_a_terminal_a_panel_renews_itself(progress):
    terminal = console(force_terminal=True)
    observer = Terminal(terminal)
    observer.started(progress)
    observer.stepped(progress)
    progress.finish([point(0.9, 0.9, 10.0)])
    observer.stepped(progress)  # within a quarter of a second: nobody could read it
    assert "4/10 trials" not in terminal.export_text(clear=False)
    observer.ended(progress)
    assert isinstance(terminal.file, io.StringIO)
    drawn = terminal.file.getvalue()
    assert "\x1b[" in drawn
    shown = terminal.export_text()
    assert "sweep" in shown
    assert "4/10 trials, 2 running" in shown
    assert "hypervolume" in shown
    observer.say("it has ended")
    assert terminal.export_text().splitlines()[-1] == "it has ended"


def test_elsewhere_plain_lines_come_now_and_then(progress, clock):
    file = console(force_terminal=False)
    observer = Terminal(file)
    observer.started(progress)
    observer.stepped(progress)
    clock.now += PLAIN_EVERY_SECONDS - 1
    observer.stepped(progress)
    assert file.export_text(clear=False).count("3/10 trials") == 1
    clock.now += 1
    observer.stepped(progress)
    observer.ended(progress)
    assert file.export_text().count("3/10 trials") == 3


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(progress, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    file = console(force_terminal=True)
    observer = Terminal(file)
    observer.started(progress)
    observer.stepped(progress)
    assert isinstance(file.file, io.StringIO)
    assert file.file.getvalue() == progress.format_line() + "\n"


def test_no_panel_is_left_above_the_last_line(progress):
    terminal = console(force_terminal=True)
    observer = Terminal(terminal)
    observer.started(progress)
    observer.ended(progress)
    assert isinstance(terminal.file, io.StringIO)
    *_, erase, last = re.split(r"(?:\x1b\[1A)*\x1b\[2K", terminal.file.getvalue())
    assert "trials" in last
    assert "trials" not in erase


def test_training_says_how_far_it_is_within_a_long_epoch():
    file = console(force_terminal=False)
    Terminal(file).training("original model", 0.25, 2, 10.0)
    assert file.export_text() == "  original model: 0.2 of 2 epochs, about 70 s left\n"


def test_training_says_what_is_left_and_ends_with_its_last_epoch():
    file = console(force_terminal=False)
    observer = Terminal(file)
    observer.training("original model", 0, 3, 0.0)
    for done in (1, 2, 3):
        observer.training("original model", done, 3, 10.0 * done)
    observer.training("retrained model (another process trains it)", 0, 0, 0.0)
    assert file.export_text().splitlines() == [
        "training the original model: 3 epochs",
        "  original model: epoch 1/3, about 20 s left",
        "  original model: epoch 3/3, about 1 s left",
        "training the retrained model (another process trains it)",
    ]


@pytest.mark.parametrize("domain", [Float(0.1, 1.0), Float(1e-4, 0.1, log=True), Int(1, 10)])
def test_the_expected_value_is_the_mean_of_what_is_drawn(domain: Domain):
    sampler = RandomSampler(seed=0)
    space = distribution(domain)
    draws = [sampler.sample_independent(None, None, "x", space) for _ in range(4000)]  # type: ignore[arg-type]
    error = np.std(draws) / np.sqrt(len(draws))
    assert expected(domain) == pytest.approx(np.mean(draws), abs=4 * error)


def test_a_choice_counts_once():
    assert expected(Categorical((1, 2))) == 1.5
    assert expected(Categorical(("none", "saliency"))) == "none"


SPEED = Speed(
    gradient_per_second=100.0, evaluate_seconds=2.0, retain=1000, forget=100, recipe_epochs=8,
    trainings=(10.0, 8.0, 8.0),
)  # fmt: skip


def test_what_a_method_passes_over_is_what_it_takes():
    """At the means of the domains: 5.5 epochs, a share of .98 / ln 50, hence one step of 256 an epoch."""
    share, epochs, judged = 0.98 / math.log(50), 5.5, 2.0
    samples = {
        "retrain": (8 * 1000, 1),
        "finetune": (epochs * share * 1000, epochs),
        "gradient-ascent": (3 * 100, 3),
        "random-labels": (epochs * (share * 1000 + 100), epochs),
        "negative-gradient+": (epochs * (share * 1000 + 100), epochs),
        "ssd": (100 + share * 1100, 1),
    }
    for name, (passed, points) in samples.items():
        taken = seconds_per_trial(name, SPEED)
        assert taken == pytest.approx(passed / 100 + points * judged), name


def test_what_a_method_reads_before_its_epochs_is_counted_once():
    """Masked small gradients read the forget set, and as many retained examples, before the first."""
    cls = unlearner_class("msg")
    epochs, share = (expected(search_space(cls)[name]) for name in ("epochs", "retain_share"))
    passed = 2 * SPEED.forget + epochs * share * SPEED.retain
    taken = passed / SPEED.gradient_per_second + SPEED.evaluate_seconds
    assert seconds_per_trial("msg", SPEED) == pytest.approx(taken)


def test_a_sweep_takes_its_trials_side_by_side():
    one, other = seconds_per_trial("finetune", SPEED), seconds_per_trial("ssd", SPEED)
    trials = {"finetune": 4, "ssd": 2}
    assert sweep_seconds(trials, SPEED, 2) == pytest.approx((4 * one + 2 * other) / 2)
    assert sweep_seconds({}, SPEED, 2) == 0.0


def test_models_are_trained_beside_each_other():
    assert training_seconds(SPEED, 1) == 26.0
    assert training_seconds(SPEED, 2) == 16.0
    assert training_seconds(SPEED, 8) == 10.0
    assert training_seconds(dataclasses.replace(SPEED, trainings=()), 2) == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1, "1 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (7800, "2 h 10 min")],
)
def test_durations_are_spelled_as_people_say_them(seconds, text):
    assert spell_duration(seconds) == text
