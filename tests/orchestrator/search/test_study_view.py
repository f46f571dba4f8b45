"""What optuna-dashboard and others see of a sweep's studies: made of the rows, and never read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from study_rows import (
    KINDS,
    PARETO,
    TASK,
    content,
    mixed,
    refuse,
    row,
    run,
    shown_by_journal,
    study,
    url_of,
)

from orchestrator.config import SweepConfig
from orchestrator.results.objectives import objective_named
from orchestrator.search.study import UnlearnerStudy
from orchestrator.search.view import DatabaseView, JournalView, StudyView
from orchestrator.sweeps.stored.shown_studies import show_studies, spell_dashboard


@pytest.fixture(params=KINDS)
def kind(
    request: pytest.FixtureRequest,
) -> tuple[Callable[[Path], StudyView], Callable[..., optuna.Study]]:
    """How a view is opened, and how another program reads it."""
    return KINDS[request.param]  # type: ignore[return-value]


def test_a_view_shows_what_the_study_knows_while_the_sweep_runs(tmp_path, kind):
    opened, shown = kind
    opened(tmp_path).rebuild([finetune := study(), study("ssd")], refuse)
    mixed(finetune)
    trial = finetune.ask(TASK)
    seen = shown(tmp_path)
    assert content(seen.trials) == content(finetune.trials)
    assert seen.trials[-1].state == TrialState.RUNNING
    assert seen.trials[-1].user_attrs == {"trial_id": trial["trial_id"]}
    assert [d.name.lower() for d in seen.directions] == PARETO.directions
    assert seen.metric_names == list(PARETO.metrics)
    assert shown(tmp_path, "ssd").trials == []
    finetune.tell(trial["trial_id"], [row(1)])
    assert content(shown(tmp_path).trials) == content(finetune.trials)


def test_a_view_shows_by_how_much_limits_are_missed(tmp_path, kind):
    opened, shown = kind
    limited = objective_named("pareto,relative_cost<=1.5")
    finetune = UnlearnerStudy("finetune", limited, "nsgaii", 0)
    opened(tmp_path).rebuild([finetune], refuse)
    run(finetune, 1)
    trial_id = finetune.ask(TASK)["trial_id"]
    finetune.tell(trial_id, [row(1, state="pruned")])
    excesses = [trial.constraints["relative_cost<=1.5"] for trial in shown(tmp_path).trials]
    assert excesses == [0.5, -0.5, -0.5]
    assert excesses == [t.constraints["relative_cost<=1.5"] for t in finetune.trials]


def test_the_view_of_the_next_driver_holds_the_rows_and_nothing_else(tmp_path, kind):
    opened, shown = kind
    opened(tmp_path).rebuild([first := study(), study("ssd")], refuse)
    finished = mixed(first)
    first.ask(TASK)  # its driver was killed
    again = study(finished=finished)
    opened(tmp_path).rebuild([again], refuse)
    seen = shown(tmp_path).trials
    assert content(seen) == content(again.trials)
    assert all(trial.state.is_finished() for trial in seen)
    assert [t.datetime_complete for t in seen] == [t.datetime_complete for t in again.trials]
    with pytest.raises(KeyError):
        shown(tmp_path, "ssd")


def test_a_study_of_all_methods_shows_the_common_front(tmp_path, kind):
    opened, shown = kind
    opened(tmp_path).rebuild([finetune := study(), ssd := study("ssd")], refuse)
    mixed(finetune)
    good = ssd.ask(TASK)
    ssd.tell(good["trial_id"], [row(1, accuracy=0.99, relative_cost=0.01)])
    running = ssd.ask(TASK)
    joint = shown(tmp_path, "front")
    assert len(joint.trials) == len(finetune.trials) + len(ssd.trials)
    assert [d.name.lower() for d in joint.directions] == PARETO.directions
    assert joint.metric_names == list(PARETO.metrics)
    assert [trial.user_attrs for trial in joint.best_trials] == [{"trial_id": good["trial_id"]}]
    (best,) = joint.best_trials
    own = next(t for t in ssd.trials if t.user_attrs == best.user_attrs)
    assert best.params == {"unlearner": "ssd", **{f"ssd.{n}": v for n, v in own.params.items()}}
    assert joint.trials[-1].state == TrialState.RUNNING
    assert joint.trials[-1].user_attrs == {"trial_id": running["trial_id"]}
    states = [t.state for t in joint.trials if t.params["unlearner"] == "finetune"]
    assert states == [t.state for t in finetune.trials]
    again = [study(finished=mixed(study())), study("ssd")]
    opened(tmp_path).rebuild(again, refuse)  # the next driver
    assert len(shown(tmp_path, "front").trials) == sum(len(one.trials) for one in again)


def test_one_method_is_its_own_front(tmp_path, kind):
    opened, shown = kind
    opened(tmp_path).rebuild([study()], refuse)
    with pytest.raises(KeyError):
        shown(tmp_path, "front")


def test_the_command_of_the_dashboard_is_said(tmp_path):
    config = SweepConfig(name="s", unlearners=("finetune", "ssd"), trials=1)
    view, said = JournalView("s", tmp_path), []
    show_studies(config, [], view, said.append)
    (line,) = said
    command, _, how = line.partition(f" {tmp_path}/studies.journal")
    assert command.endswith("optuna-dashboard")
    assert how in ("", " (it is not installed: pip install optuna-dashboard)")
    assert spell_dashboard("/a b/c").removesuffix(how).endswith("'/a b/c'")
    (tmp_path / "studies.journal").unlink()
    (tmp_path / "studies.journal").mkdir()
    show_studies(config, [], JournalView("s", tmp_path), said.append)
    assert len(said) == 2, "a view that fails has no command"


def test_the_dashboard_command_hides_a_password(tmp_path):
    view = DatabaseView("s", url_of(tmp_path), is_own=True)
    assert view.target is None
    view.rebuild([study()], refuse)
    assert view.target == url_of(tmp_path)
    view._url = "postgresql://me:hunter2@host/studies"  # none runs here
    assert view.target == "postgresql://me:***@host/studies"


def test_a_trial_is_two_lines_of_the_journal_and_the_end_of_a_pruned_one_is_one(tmp_path):
    JournalView("s", tmp_path).rebuild([finetune := study()], refuse)
    lines = [len((tmp_path / "studies.journal").read_bytes().splitlines())]
    for state in ("complete", "pruned", "failed"):
        trial_id = finetune.ask(TASK)["trial_id"]
        finetune.tell(trial_id, [row(1, state=state), row(2, state=state)])
        lines.append(len((tmp_path / "studies.journal").read_bytes().splitlines()))
    assert [after - lines[0] for after in lines] == [0, 2, 5, 7]


def test_what_another_writer_appends_stays(tmp_path):
    JournalView("s", tmp_path).rebuild([finetune := study()], refuse)
    finetune.ask(TASK)
    shown_by_journal(tmp_path).set_user_attr("note", "from a dashboard")
    finetune.ask(TASK)
    seen = shown_by_journal(tmp_path)
    assert seen.user_attrs == {"note": "from a dashboard"}
    assert content(seen.trials) == content(finetune.trials)
