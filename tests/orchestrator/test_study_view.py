"""What optuna-dashboard and others see of a sweep's studies: made of the rows, and never read."""

from __future__ import annotations

import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from program import rows_of
from running import Sweep
from study_rows import PARETO, TASK, content, row, run, stored, study
from whole import check_study, files_of

from orchestrator.cli.main import main
from orchestrator.config import SweepConfig
from orchestrator.results.objectives import objective_named
from orchestrator.search.study import UnlearnerStudy
from orchestrator.search.view import DatabaseView, JournalView, StudyView
from orchestrator.sweeps.stored.shown_studies import show_studies, spell_dashboard

Make = Callable[[], StudyView]


def refuse(text: str) -> None:
    """What is said where nothing should be."""
    pytest.fail(text)


def shown_by_journal(folder: Path, unlearner: str = "finetune") -> optuna.Study:
    """The study as any other program reads it."""
    file = JournalFileBackend(str(folder / "studies.journal"))
    return optuna.load_study(study_name=f"s/{unlearner}", storage=JournalStorage(file))


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/studies.db?timeout=.1"


def shown_by_database(folder: Path, unlearner: str = "finetune") -> optuna.Study:
    return optuna.load_study(study_name=f"s/{unlearner}", storage=url_of(folder))


KINDS = {
    "journal": (lambda folder: JournalView("s", folder), shown_by_journal),
    "database": (lambda folder: DatabaseView("s", url_of(folder), is_own=True), shown_by_database),
}


@pytest.fixture(params=KINDS)
def kind(
    request: pytest.FixtureRequest,
) -> tuple[Callable[[Path], StudyView], Callable[..., optuna.Study]]:
    """How a view is opened, and how another program reads it."""
    return KINDS[request.param]  # type: ignore[return-value]


def mixed(finetune: UnlearnerStudy) -> list[list[dict[str, object]]]:
    """Rows of two complete trials, of one that failed and of one that was pruned."""
    finished = run(finetune, 2)
    for number, state in enumerate(("failed", "pruned"), 2):
        trial = finetune.ask(TASK)
        rows = [row(1, state="pruned" if state == "pruned" else "complete"), row(2, state=state)]
        finetune.tell(trial["trial_id"], rows)
        finished.append(stored(trial, rows, number))
    return finished


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


def cut(file: Path, elsewhere: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def alter(file: Path, elsewhere: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b'"state":1', b'"state":3'))


def fill_with_nonsense(file: Path, elsewhere: Path) -> None:
    file.write_bytes(b"\0\xff" * 500)


def delete(file: Path, elsewhere: Path) -> None:
    file.unlink()


def link(file: Path, elsewhere: Path) -> None:
    file.unlink()
    file.symlink_to(elsewhere)


DAMAGE = [cut, alter, fill_with_nonsense, delete, link]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["studies.journal", ".studies.journal.part"])
def test_whatever_is_in_the_place_of_a_journal_is_replaced(tmp_path, damage, name):
    """Also in that of the file that is to become it."""
    JournalView("s", tmp_path).rebuild([first := study()], refuse)
    finished = mixed(first)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("of somebody else")
    file = tmp_path / name
    if not file.exists():
        shutil.copy(tmp_path / "studies.journal", file)
    damage(file, elsewhere)
    JournalView("s", tmp_path).rebuild([again := study(finished=finished)], refuse)
    again.ask(TASK)
    assert content(shown_by_journal(tmp_path).trials) == content(again.trials)
    assert elsewhere.read_text() == "of somebody else"
    assert sorted(f.name for f in tmp_path.iterdir()) == ["elsewhere", "studies.journal"]
    assert not (tmp_path / "studies.journal").is_symlink()


def test_a_journal_that_cannot_be_put_in_its_place_is_done_without(tmp_path):
    (tmp_path / "studies.journal").mkdir()
    said: list[str] = []
    JournalView("s", tmp_path).rebuild([finetune := study()], said.append)
    assert len(run(finetune, 2)) == 2
    assert len(said) == 1
    assert "studies.journal shows the studies no longer" in said[0]


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """No file of this process may grow by more than twenty bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = (folder / "studies.journal").stat().st_size + 20
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another program writes to the database, and does not end."""
    with sqlite3.connect(folder / "studies.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


FAULTS = {"journal": (full_disk, "File too large"), "database": (locked, "database is locked")}


@pytest.mark.parametrize("name", KINDS)
def test_a_view_that_fails_is_one_notice_and_the_sweep_goes_on(tmp_path, name):
    (opened, shown), (fault, reason) = KINDS[name], FAULTS[name]
    said: list[str] = []
    opened(tmp_path).rebuild([finetune := study(), ssd := study("ssd")], said.append)
    run(finetune, 2)
    before = content(shown(tmp_path).trials)
    with fault(tmp_path):
        assert len(run(finetune, 2, first=2)) == len(run(ssd, 2)) == 2
    finetune.ask(TASK)
    assert len(said) == 1
    assert "NOTICE" in said[0]
    assert reason in said[0]
    assert content(shown(tmp_path).trials) == before
    opened(tmp_path).rebuild([again := study(finished=run(study(), 3))], refuse)
    assert content(shown(tmp_path).trials) == content(again.trials)


def test_studies_of_others_in_a_database_are_left_alone(tmp_path):
    other = optuna.create_study(storage=url_of(tmp_path), study_name="sweep-of-another/ssd")
    other.add_trial(optuna.create_trial(value=1.0))
    view = DatabaseView("s", url_of(tmp_path), is_own=False)
    view.rebuild([study()], refuse)
    DatabaseView("s", url_of(tmp_path), is_own=True).rebuild([study()], refuse)
    names = set(optuna.get_all_study_names(url_of(tmp_path)))
    assert names == {"sweep-of-another/ssd", "s/finetune"}
    assert len(other.trials) == 1


def test_a_resume_replaces_the_journal_and_runs_nothing_again(trained, tmp_path):
    storage = Path(shutil.copytree(trained, tmp_path / "storage"))
    sweep = Sweep(storage, "first")
    before, journal = rows_of(storage, "first"), storage / "sweeps" / "first" / "studies.journal"
    (elsewhere := tmp_path / "elsewhere").write_text("of somebody else")
    link(journal, elsewhere)
    said, _ = (process := sweep.resume()).communicate(timeout=300)
    assert process.returncode == 0, said
    assert "sweep first is finished: 12 trials" in said
    assert rows_of(storage, "first") == before
    assert elsewhere.read_text() == "of somebody else"
    for unlearner in ("finetune", "finetune-l1", "gradient-ascent", "ssd"):
        check_study(storage, "first", unlearner, files_of(storage, "first"))


def test_another_database_than_before_is_not_taken_from_another_sweep(trained, tmp_path, capsys):
    """The sweep exists, and so do studies of its name that are not its own."""
    url = f"sqlite:///{tmp_path}/studies.db"
    optuna.create_study(study_name="first/ssd", storage=url, directions=["maximize"] * 3)
    arguments = ["sweep", "--name", "first", "--storage", str(trained)]
    arguments += ["--unlearners", "finetune,finetune-l1,gradient-ascent,ssd", "--trials", "3"]
    assert main([*arguments, "--task", "digits-class:1", "--optuna-storage", url]) == 2
    assert "another sweep 'first'" in capsys.readouterr().err
    assert optuna.get_all_study_names(url) == ["first/ssd"]
