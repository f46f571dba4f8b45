"""`--original FILE` and `--recipe` of sweeps and single trials: what is checked, stored and refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
import workers

from orchestrator.cli.main import app, main
from orchestrator.cluster.jobs import build_entrypoint
from orchestrator.config import JobConfig, SweepConfig
from orchestrator.results.store import read_finished_trials
from orchestrator.sweeps.data_check import choose_task
from orchestrator.sweeps.folder import store_config
from orchestrator.sweeps.plan import make_task
from orchestrator.sweeps.stored.adopted import adopt_stored
from orchestrator.worker.baselines import Ready, prepare_models, train_model
from tasks.datasets.digits import load_digits
from tasks.errors import InvalidValue
from tasks.models import build_model
from tasks.models.checkpoint import hash_weights
from tasks.storage.roots import open_root


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Weights of a small CNN for the digits that was never trained."""
    model = build_model("small-cnn", load_digits(), torch.device("cpu"))
    model.initialise(torch.zeros(1, 1, 8, 8), torch.Generator().manual_seed(0))
    torch.save(model.state_dict(), tmp_path / "own.pt")
    return tmp_path / "own.pt"


def config(file: Path, **more: object) -> SweepConfig:
    """A sweep with these weights as its original model."""
    settings = {"task": "digits-class:1", "model": "small-cnn", "original": file, **more}
    return SweepConfig(**settings, storage=str(file.parent / "results")).validate()  # type: ignore[arg-type]


def test_a_sweep_notes_which_weights_it_began_with(file: Path) -> None:
    told: list[str] = []
    chosen = choose_task(config(file), told.append)
    assert chosen.original_hash == hash_weights(torch.load(file))
    assert any("accuracy" in line for line in told)
    assert any("near chance" in line for line in told)
    given = make_task(chosen).original
    assert given is not None
    assert (given.key, given.file) == (chosen.original_hash, str(file))
    assert SweepConfig.from_json(chosen.to_json()) == chosen


def test_methods_that_repeat_the_training_are_left_out(file: Path) -> None:
    told: list[str] = []
    chosen = choose_task(config(file, unlearners=("finetune", "r2d", "amnesiac")), told.append)
    assert chosen.unlearners == ("finetune",)
    assert any("left out r2d, amnesiac: they need the training" in line for line in told)
    with pytest.raises(InvalidValue, match="amnesiac: they need the training of the original"):
        choose_task(config(file, unlearners=("amnesiac",)), told.append)


def test_a_sweep_goes_on_with_its_own_weights_alone(file: Path) -> None:
    told: list[str] = []
    begun = choose_task(config(file, name="first"), told.append)
    store_config(begun, open_root(f"{begun.storage}/sweeps/first"))
    again = adopt_stored(SweepConfig(name="first", storage=begun.storage).validate())
    assert (again.original, again.original_hash) == (file, begun.original_hash)
    moved = file.rename(file.with_name("moved.pt"))
    same = adopt_stored(config(moved, name="first"))
    assert choose_task(same, told.append).original_hash == begun.original_hash
    state = torch.load(moved)
    torch.save({**state, "head.bias": state["head.bias"] + 1}, moved)
    with pytest.raises(InvalidValue, match="holds other weights"):
        choose_task(adopt_stored(config(moved, name="first")), told.append)
    trained = dataclasses.replace(begun, name="trained", original=None, original_hash=None)
    store_config(trained, open_root(f"{begun.storage}/sweeps/trained"))
    given = choose_task(adopt_stored(config(moved, name="trained")), told.append)
    with pytest.raises(InvalidValue, match="original_hash was None, now"):
        adopt_stored(given)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--unlearner", "finetune"), "--original needs --model"),
        (("sweep",), "--original needs --model"),
        (("run", "--unlearner", "finetune", "--model", "small-cnn"), "there is no such file"),
        (("influence", "--test-example", "0", "--model", "small-cnn"), "there is no such file"),
        (("sweep", "--model", "small-cnn"), "there is no such file"),
        (
            ("run", "--unlearner", "r2d", "--model", "small-cnn"),
            "r2d needs checkpoints: from the training of the original",
        ),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = ("--task", "digits-class:1", "--original", str(tmp_path / "none.pt"))
    assert main([*arguments, *task, "--storage", str(tmp_path / "results")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_a_job_is_given_the_file_that_lies_on_the_cluster() -> None:
    there = JobConfig(name="x", original=Path("/mnt/own.pt"), recipe="lr=.1", model="small-cnn")
    assert "--recipe lr=.1 --original /mnt/own.pt" in build_entrypoint(there)
    with pytest.raises(InvalidValue, match=r"--original own\.pt: on a cluster, give an absolute"):
        build_entrypoint(dataclasses.replace(there, original=Path("own.pt")))


def test_list_models_tells_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert app(["list", "models"], result_action="return_value") == 0
    told = capsys.readouterr().out
    assert "    --recipe epochs=20, batch_size=64, lr=0.1, momentum=0.9" in told
    assert "    warmup: Share of the steps" in told
    assert "module:function" in told


def test_the_rows_of_the_models_say_where_they_come_from(file: Path) -> None:
    chosen = choose_task(config(file, recipe="epochs=3"), lambda line: None)
    settings = workers.settings(chosen.storage, make_task(chosen), sweep="given")
    first, *_ = prepare_models(settings, False)
    assert isinstance(first, Ready)
    assert first.missing == ("retrained", "reference-1"), "the original is there already"
    for role in first.missing:
        list(train_model(settings, role))
    *_, rows = prepare_models(settings, False)
    assert isinstance(rows, dict)
    original, retrained = rows["original"], rows["retrained"]
    assert original["original_file"] == str(file)
    assert original["original_key"] == original["trial_key"] == hash_weights(torch.load(file))
    unknown = ("training_seconds", "device", "threads", "seed")
    assert [original[name] for name in unknown] == [None] * 4
    assert retrained["training_seconds"] > 0
    assert retrained["original_file"] is None
    assert retrained["gradient_samples"] == 3 * (1198 - 126)
    assert {row["recipe"] for row in rows.values()} == {"epochs=3"}
    assert {row["original_key"] for row in rows.values()} == {original["original_key"]}
    stored = read_finished_trials(chosen.storage, "given")
    assert stored["original"][0]["original_file"] == str(file)


def test_a_resume_with_other_weights_is_one_line(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = choose_task(config(file, name="first"), lambda line: None)
    store_config(begun, open_root(f"{begun.storage}/sweeps/first"))
    state = torch.load(file)
    torch.save({**state, "head.bias": state["head.bias"] + 1}, file)
    assert main(["resume", "first", "--storage", begun.storage]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "holds other weights" in told
