"""A sweep's configuration as it is kept: by this version, another one, or a disk that lies."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestrator.cli.main import main
from orchestrator.config import SweepConfig
from orchestrator.sweeps.data_check import choose_task
from orchestrator.sweeps.folder import read_config, store_config
from orchestrator.sweeps.stored.sealed_config import DIGEST, check_settings
from tasks.errors import InvalidValue
from tasks.storage.roots import open_root

CONFIG = SweepConfig(
    name="s",
    task="digits-class:1",
    trials=3,
    unlearners=("ssd", "finetune"),
    data_dir=Path("/data"),
    gpus_per_trial=0.5,
    trial_seconds=60,
)
TEN_MEGABYTES = 10_000_000


def keep(root: str, content: str) -> None:
    """Put it where the configuration of the sweep `s` is."""
    open_root(root).write("sweeps/s/config.json", content.encode())


def test_it_comes_back_as_it_was_kept(root: str) -> None:
    keep(root, CONFIG.to_json())
    assert read_config("s", root).to_json() == CONFIG.to_json().replace("./results", root)


def test_a_folder_of_data_means_the_same_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = SweepConfig(data_dir=Path("pictures")).validate().to_json()
    monkeypatch.chdir("/")
    assert SweepConfig.from_json(kept).validate().data_dir == tmp_path / "pictures"


def test_the_default_folder_of_data_is_kept_where_it_served(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = SweepConfig(task="digits-class:1")
    assert choose_task(digits, print).data_dir is None
    (tmp_path / "data").mkdir()
    assert choose_task(digits, print).data_dir == tmp_path / "data"
    assert choose_task(dataclasses.replace(digits, address="auto"), print).data_dir is None


def test_settings_of_a_newer_version_are_left_out_however_large(root: str) -> None:
    future = {"setting_of_the_future": "x" * TEN_MEGABYTES}
    keep(root, json.dumps(json.loads(CONFIG.to_json()) | future))
    assert read_config("s", root).trials == 3
    assert main(["status", "s", "--storage", root]) == 0


def test_settings_that_an_older_version_did_not_have_are_the_defaults(root: str) -> None:
    older = json.loads(CONFIG.to_json())
    del older["trial_seconds"]
    keep(root, json.dumps(older))
    assert read_config("s", root).trial_seconds is None


@pytest.mark.parametrize(
    "content",
    ["null", "[]", "{", "[" * TEN_MEGABYTES, '{"trials": "3"}', '{"unlearners": [1]}',
     '{"unlearners": 1}', '{"data_dir": 1}', '{"seed": 1.5}',
     json.dumps({"objective": "x" * TEN_MEGABYTES})],
    ids=lambda content: content[:20],
)  # fmt: skip
def test_what_is_no_configuration_is_one_line_that_names_it(
    root: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(root, content)
    for command in ("resume", "status"):
        assert main([command, "s", "--storage", root]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert len(said) < 1100
        assert "is damaged" in said or "unknown objective" in said


def test_an_empty_one_is_none_yet(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A driver was killed in between, on a file system without hard links: the sweep may begin."""
    keep(root, "")
    for command in ("resume", "status"):
        assert main([command, "s", "--storage", root]) == 2
        assert "no sweep 's'" in capsys.readouterr().err
    store_config(CONFIG, open_root(f"{root}/sweeps/s"))
    assert read_config("s", root).trials == CONFIG.trials


def test_more_trials_replace_nothing_else_not_even_what_a_newer_version_set(root: str) -> None:
    own = open_root(f"{root}/sweeps/s")
    older = json.loads(CONFIG.to_json()) | {"setting_of_the_future": 1}
    keep(root, json.dumps(older))
    grown = dataclasses.replace(CONFIG, trials=5, budgets={"ssd": 5, "finetune": 5}, seed=9)
    store_config(grown, own)
    assert json.loads(own.read("config.json") or b"") == older, "nobody asked for more"
    store_config(dataclasses.replace(grown, more_trials=True), own)
    kept = json.loads(check_settings((own.read("config.json") or b"").decode()))
    changed = {"trials": 5, "budgets": {"ssd": 5, "finetune": 5}}
    assert {k: v for k, v in kept.items() if k != DIGEST} == older | changed
    assert DIGEST in kept


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changed=st.dictionaries(st.sampled_from(list(json.loads(CONFIG.to_json()))), VALUES))
@example(changed={"name": "../s"})
def test_any_values_are_taken_or_refused(tmp_path: Path, changed: dict) -> None:
    keep(str(tmp_path), json.dumps(json.loads(CONFIG.to_json()) | changed))
    with contextlib.suppress(InvalidValue):
        read_config("s", str(tmp_path)).validate()
