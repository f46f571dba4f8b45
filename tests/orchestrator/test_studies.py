"""The studies behind a sweep: proposals, what is told, and what a dead driver leaves behind."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState
from study_rows import PARETO, own_values, recorded, row, stored_trials, study

from orchestrator.config import SweepConfig
from orchestrator.execution.searcher import StudySearch
from orchestrator.reporting.progress import Progress
from orchestrator.search.samplers import SAMPLERS
from orchestrator.search.study import UnlearnerStudy
from orchestrator.search.study_storage import open_storage
from orchestrator.sweeps.budget import trials_left
from tasks.search_space import Int, search_space
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.base import Unlearner


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_proposes_within_the_declared_domains(tmp_path, sampler):
    finetune = study(tmp_path, sampler=sampler)
    for number in range(4):
        trial = finetune.ask()
        for name, domain in search_space(unlearner_class("finetune")).items():
            assert trial["params"][name] in domain
        finetune.tell(trial["trial_id"], [row(trial["params"]["epochs"], accuracy=0.1 * number)])
    told = [t for t in recorded(tmp_path) if "trial_id" in t.user_attrs]
    assert [t.values[0] for t in told] == pytest.approx([0.0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("unlearner", [name for name in UNLEARNERS if name != "retrain"])
def test_every_unlearner_can_be_asked_for(tmp_path, unlearner):
    trial = study(tmp_path, unlearner).ask()
    assert unlearner_class(unlearner).from_params(trial["params"]).params == trial["params"]


def test_the_same_seed_gives_the_same_proposals_and_another_seed_others(tmp_path):
    def proposals(folder: str, seed: int) -> list[dict]:
        finetune = study(tmp_path / folder, seed=seed)
        return [finetune.ask() for _ in range(3)]

    assert proposals("a", 1) == proposals("b", 1)
    assert proposals("a2", 1) != proposals("c", 2)


def test_a_driver_that_starts_again_does_not_repeat_the_first_draws(tmp_path):
    first = study(tmp_path, sampler="random").ask()
    second = study(tmp_path, sampler="random").ask()
    assert first["params"] != second["params"]
    assert first["seed"] != second["seed"]


def test_a_value_that_is_not_finite_is_told_as_failed(tmp_path):
    finetune = study(tmp_path)
    finetune.tell(finetune.ask()["trial_id"], [row(1, accuracy=math.nan)])
    assert [t.state for t in recorded(tmp_path)] == [TrialState.FAIL]


def test_trajectory_points_are_told_with_their_own_epoch(tmp_path):
    finetune = study(tmp_path)
    trial_id = finetune.ask()["trial_id"]
    finetune.tell(trial_id, [row(1), row(2), row(3)])
    points = [t for t in recorded(tmp_path) if t.user_attrs.get("trajectory_of") == trial_id]
    assert [(t.params["epochs"], t.values[2]) for t in points] == [(1, 1.0), (2, 2.0)]


@dataclass(frozen=True)
class StartsLate(Unlearner):
    """A method that is not searched below three epochs."""

    epochs: Annotated[int, Int(3, 9)] = 3


def test_a_point_that_nobody_could_have_proposed_is_not_told(tmp_path):
    late = study(tmp_path, f"{__name__}:StartsLate")
    trial_id = late.ask()["trial_id"]
    late.tell(trial_id, [row(epoch) for epoch in range(1, 6)])
    points = [t for t in recorded(tmp_path, late.unlearner) if "trajectory_of" in t.user_attrs]
    assert [t.params["epochs"] for t in points] == [3, 4]


def states(folder: Path) -> dict[str, TrialState]:
    """Of each trial that was proposed."""
    trials = recorded(folder)
    return {t.user_attrs["trial_id"]: t.state for t in trials if "trial_id" in t.user_attrs}


def test_what_a_dead_driver_left_running_is_told_or_run_again(tmp_path):
    dead = study(tmp_path)
    stored, lost = dead.ask(), dead.ask()
    alive = study(tmp_path)
    assert alive.recover({stored["trial_id"]: [row(1), row(2)]}) == [lost]
    alive.tell(lost["trial_id"], [row(1)])
    assert states(tmp_path) == {
        stored["trial_id"]: TrialState.COMPLETE, lost["trial_id"]: TrialState.COMPLETE,
    }  # fmt: skip


def test_a_proposal_that_was_cut_short_is_closed(tmp_path):
    finetune = study(tmp_path)
    half = finetune._study.ask()  # the driver died before it had drawn every hyper-parameter
    assert study(tmp_path).recover({}) == []
    assert recorded(tmp_path)[half.number].state == TrialState.FAIL


def test_a_trial_whose_rows_were_lost_is_run_again_as_it_was(tmp_path):
    finetune = study(tmp_path)
    trial = finetune.ask()
    finetune.tell(trial["trial_id"], [row(1)])
    again = study(tmp_path).recover({})
    assert again == [trial]
    search = StudySearch([finetune], {"finetune": 1}, again, on_crash=lambda _: [])
    assert search.suggest("tune-a") == trial
    assert search.suggest("tune-b") == StudySearch.FINISHED


def test_a_trial_whose_rows_were_lost_counts_as_it_was_run_the_second_time(tmp_path):
    """With its model made anew it may measure something else; what the others say stays."""
    finished = stored_trials(study(tmp_path), 3)
    before = recorded(tmp_path)
    lost = list(finished)[1]
    rest = {trial_id: rows for trial_id, rows in finished.items() if trial_id != lost}
    alive = study(tmp_path)
    (trial,) = alive.recover(rest)
    assert trial["trial_id"] == lost
    params = json.dumps(trial["params"])
    second = [row(1, accuracy=0.7, params=params), row(2, accuracy=0.8, params=params)]
    alive.tell(lost, second)
    assert study(tmp_path).recover({**rest, lost: second}) == []
    after = {t.user_attrs["trial_id"]: t for t in recorded(tmp_path) if "trial_id" in t.user_attrs}
    assert after[lost].values[0] == 0.8
    others = {t.user_attrs["trial_id"]: t for t in before if t.user_attrs.get("trial_id") in rest}
    assert {k: (t.number, t.params, t.values) for k, t in others.items()} == {
        k: (after[k].number, after[k].params, after[k].values) for k in rest
    }
    points = [t for t in recorded(tmp_path) if "trajectory_of" in t.user_attrs]
    told = {t.user_attrs["trajectory_of"]: t.values[0] for t in points}
    assert len(points) == 3
    first, _, last = finished
    assert told == pytest.approx({first: 0.0, lost: 0.7, last: 0.2})


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_journal_cut_anywhere_is_mended_from_the_store(tmp_path, share):
    finished = stored_trials(study(tmp_path), 4)
    whole = own_values(tmp_path)
    journal = tmp_path / "studies.journal"
    content = journal.read_bytes()
    journal.write_bytes(content[: int(share * len(content))])
    for _ in range(2):
        assert study(tmp_path).recover(finished) == []
    assert own_values(tmp_path) == whole
    points = [t for t in recorded(tmp_path) if "trajectory_of" in t.user_attrs]
    assert len(points) == 4
    assert study(tmp_path).ask()["trial_id"] not in finished


def test_a_line_that_is_no_record_ends_a_journal_and_is_kept_beside_it(tmp_path):
    finished = stored_trials(study(tmp_path), 3)
    journal = tmp_path / "studies.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[len(lines) // 2] = b"\0" * 20 + b"\n"
    journal.write_bytes(b"".join(lines))
    assert study(tmp_path).recover(finished) == []
    damaged = tmp_path / "studies.journal.damaged"
    assert damaged.read_bytes() == b"".join(lines[len(lines) // 2 :])


def altered(folder: Path, old: str, new: str, occurrence: int = 0) -> None:
    """Change the journal as a bad disk does: the line stays one that Optuna can read."""
    journal = folder / "studies.journal"
    parts = journal.read_text().split(old)
    assert len(parts) > occurrence + 1, f"{old} is not in the journal"
    head, tail = parts[: occurrence + 1], parts[occurrence + 1 :]
    journal.write_text(old.join(head) + new + old.join(tail))


def outcomes(folder: Path) -> dict[str, tuple[TrialState, list[float] | None]]:
    """How each trial ended, by its id."""
    trials = (t for t in recorded(folder) if "trial_id" in t.user_attrs)
    return {t.user_attrs["trial_id"]: (t.state, t.values) for t in trials}


def mixed_trials(finetune: UnlearnerStudy) -> dict[str, list[dict]]:
    """Rows of two complete trials, a failed and a pruned one."""
    finished = stored_trials(finetune, 2)
    for state in ("failed", "pruned"):
        trial = finetune.ask()
        params = json.dumps(trial["params"])
        rows = [row(1, params=params, state="pruned" if state == "pruned" else "complete")]
        rows += [row(2, params=params, state=state)]
        finetune.tell(trial["trial_id"], rows)
        finished[trial["trial_id"]] = rows
    return finished


ALTERATIONS = {
    "a failed trial complete": ('"state":3,"values":null', '"state":1,"values":null'),
    "a complete trial failed": ('"state":1,"values":', '"state":3,"values":'),
    "a pruned trial failed": ('"state":2,"values":', '"state":3,"values":'),
    "a failed trial pruned": ('"state":3,"values":', '"state":2,"values":'),
    "what is maximised": ('"directions":[2,2,1]', '"directions":[0,2,1]'),
}


@pytest.mark.parametrize(("old", "new"), ALTERATIONS.values(), ids=list(ALTERATIONS))
@pytest.mark.parametrize("sampler", ["tpe", "nsgaii"])
def test_what_a_bad_disk_made_of_a_study_is_mended(tmp_path, sampler, old, new):
    finished = mixed_trials(study(tmp_path))
    before = outcomes(tmp_path)
    altered(tmp_path, old, new)
    mended = study(tmp_path, sampler=sampler)
    assert mended.recover(finished) == []
    assert outcomes(tmp_path) == before
    assert optuna.load_study(
        study_name="sweep/finetune", storage=open_storage(tmp_path, None)
    ).directions == [StudyDirection.MAXIMIZE, StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
    for number in range(15):  # beyond those that a sampler draws at random
        trial = mended.ask()
        assert trial["trial_id"] not in finished
        params = json.dumps(trial["params"])
        mended.tell(trial["trial_id"], [row(1, accuracy=0.01 * number, params=params)])


def test_a_point_that_a_bad_disk_made_running_is_told_again(tmp_path):
    finished = mixed_trials(study(tmp_path))
    before = outcomes(tmp_path)
    journal = (tmp_path / "studies.journal").read_text().splitlines()
    (told, *_) = [line for line in journal if "trajectory_of" in line]
    altered(tmp_path, told, told.replace('"state":1', '"state":0'))
    assert study(tmp_path).recover(finished) == []
    assert outcomes(tmp_path) == before
    assert all(t.state.is_finished() for t in recorded(tmp_path))


def test_a_domain_that_a_bad_disk_altered_does_not_end_the_sweep(tmp_path):
    """It is only looked at when the study is made anew, for the rows of another trial were lost."""
    finished = stored_trials(study(tmp_path), 3)
    lost = list(finished)[-1]
    journal = (tmp_path / "studies.journal").read_text()
    low = re.search(r'\\"low\\": ([0-9.e-]+), \\"high\\": ([0-9.e-]+)', journal)
    assert low
    altered(tmp_path, low[0], low[0].replace(low[1], low[2]))
    rest = {trial_id: rows for trial_id, rows in finished.items() if trial_id != lost}
    (again,) = study(tmp_path).recover(rest)
    assert again["trial_id"] == lost
    assert set(rest) < set(outcomes(tmp_path))


def test_a_proposal_that_a_bad_disk_made_impossible_is_closed(tmp_path):
    finetune = study(tmp_path)
    share = finetune.ask()["params"]["retain_share"]
    altered(tmp_path, str(share), str(share + 8))
    assert study(tmp_path).recover({}) == []
    assert [t.state for t in recorded(tmp_path)] == [TrialState.FAIL]


def test_a_space_that_was_edited_leaves_what_had_ended_as_it_is(tmp_path):
    """Stored rows know nothing of a hyper-parameter that the method has only now."""
    finished = stored_trials(study(tmp_path), 4)
    before = recorded(tmp_path)
    edited = study(tmp_path)
    edited._space["new"] = optuna.distributions.FloatDistribution(0, 1)
    assert edited.recover(finished) == []
    after = recorded(tmp_path)
    assert [(t.number, t.params, t.values) for t in after] == [
        (t.number, t.params, t.values) for t in before
    ]


def test_recovering_twice_tells_nothing_twice(tmp_path):
    dead = study(tmp_path)
    trial = dead.ask()
    rows = [row(epoch, params=json.dumps(trial["params"])) for epoch in (1, 2, 3)]
    dead._tell_point(recorded(tmp_path)[0], rows[0])  # it died half-way through telling
    for _ in range(2):
        study(tmp_path).recover({trial["trial_id"]: rows})
    assert sorted(
        t.params["epochs"] for t in recorded(tmp_path) if "trajectory_of" in t.user_attrs
    ) == [1, 2]


def test_a_pruned_trial_is_told_once_by_all_its_points_and_the_sampler_goes_on(tmp_path):
    finetune = study(tmp_path, sampler="tpe")
    for _ in range(15):
        rows = [row(1, state="pruned"), row(2, accuracy=0.1, state="pruned")]
        trial_id = finetune.ask()["trial_id"]
        for _ in range(2):
            finetune.tell(trial_id, rows)
    states = [t.state for t in recorded(tmp_path)]
    assert states.count(TrialState.PRUNED) == 15
    assert states.count(TrialState.COMPLETE) == 30


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "gp"])
def test_proposals_go_on_where_a_space_was_edited_before_a_resume(tmp_path, sampler):
    study(tmp_path, "ssd")
    old = optuna.load_study(study_name="sweep/ssd", storage=open_storage(tmp_path, None))
    wider = {"dampening": optuna.distributions.FloatDistribution(50.0, 60.0)}
    for number in range(30):
        params = {"dampening": 50.0 + number / 3}
        values = [0.1 * number, -0.1 * number, 1.0]
        old.add_trial(optuna.create_trial(params=params, distributions=wider, values=values))
    assert study(tmp_path, "ssd", sampler).ask()["params"]["dampening"] <= 2.0


def test_budgets_are_equal_interleaved_and_reduced_by_what_is_finished(tmp_path):
    names = ("finetune", "ssd", "retrain")
    studies = [study(tmp_path, name) for name in names]
    done = {"role": "trial", "unlearner": "finetune", "state": "complete"}
    left = trials_left(SweepConfig(unlearners=names, trials=3), {"finetune-0000": [done]})
    assert left == {"finetune": 2, "ssd": 3, "retrain": 1}
    search = StudySearch(studies, left, [], on_crash=lambda _: [])
    order = [search.suggest(f"tune-{n}") for n in range(7)]
    proposed = [trial["unlearner"] for trial in order[:6]]
    assert proposed == ["ssd", "finetune", "ssd", "finetune", "ssd", "retrain"]
    assert order[6] == StudySearch.FINISHED


def test_a_crashed_trial_is_told_by_the_rows_its_worker_managed_to_write(tmp_path):
    finetune = study(tmp_path)
    progress = Progress(PARETO, 2, retrain_seconds=100.0)
    search = StudySearch([finetune], {"finetune": 2}, [], lambda trial: [row(1)], progress.finish)
    search.suggest("tune-a")
    search.on_trial_complete("tune-a", error=True)
    assert (progress.done, progress.failed) == (1, 0)
    assert [t.state for t in recorded(tmp_path)] == [TrialState.COMPLETE]
    assert not search.running
