"""A store of a stranger: it is shown as text, runs nothing, and is believed only where it can be true."""

from __future__ import annotations

import dataclasses
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from store_rows import put, trial

from orchestrator.cli.main import main
from orchestrator.cluster.answer import check_answer
from orchestrator.config import SweepConfig
from orchestrator.results.files import SCHEMA
from orchestrator.results.store import compact_rows, read_results, set_file_aside, write_rows
from orchestrator.search.database_url import normalise_database
from orchestrator.sweeps.folder import read_config, store_config
from orchestrator.sweeps.stored.named_code import list_code
from tasks.errors import InvalidValue
from tasks.storage.roots import open_root

MEASURED = {
    "validation_accuracy_retained": 0.9,
    "validation_indistinguishability": 0.8,
    "relative_cost": 0.2,
}
CONFIG = SweepConfig(task="digits-class:1", unlearners=("ssd",), trials=1, name="s", seed=0)


def keep(root: str, config: SweepConfig = CONFIG, **columns: Any) -> str:
    """Store a sweep with one trial; returns the storage root."""
    store_config(config, open_root(f"{root}/sweeps/s"))
    row = {"unlearner": config.unlearners[0], "task": "digits-class:1", "task_seed": 0, "params": "{}"}  # fmt: skip
    write_rows(root, "s", "k", trial("a-0", epochs=1, **{**row, **MEASURED, **columns}))
    return root


@pytest.fixture
def evil(tmp_path, monkeypatch) -> Iterator[str]:
    """A module that leaves a file behind when it is imported."""
    (tmp_path / "evil_module.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w').close()\nMethod = object\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "evil_module:Method"
    sys.modules.pop("evil_module", None)


def test_no_reader_imports_what_a_store_names(evil, tmp_path, capsys):
    config = dataclasses.replace(CONFIG, unlearners=(evil,))
    root = keep(str(tmp_path / "st"), config, params='{"lr": 0.5}')
    assert main(["status", "s", "--storage", root]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"unlearner '{evil}' is code that the store names: it was not imported" in said
    assert "lr=0.5" in said
    assert "1/1 trials" in said
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"unlearners": ("evil_module:Method",)},
        {"sampler": "evil_module:Method"},
        {"model": "evil_module:Method:32"},
        {"task": "digits-evil_module:Method"},
        {"confirms": "x", "given": {"rum": [{"low": "evil_module:Method(lr=1)"}]}},
    ],
    ids=str,
)
def test_code_of_a_store_is_resumed_only_if_it_is_named_again(evil, tmp_path, capsys, change):
    root = keep(str(tmp_path / "st"), dataclasses.replace(CONFIG, **change))
    assert main(["resume", "s", "--storage", root]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"--code {evil}" in said
    assert not (tmp_path / "ran").exists()


def test_rows_name_no_code_for_an_export(evil, tmp_path, capsys):
    root = keep(str(tmp_path / "st"), unlearner=evil, model="mlp", seed=0)
    output = str(tmp_path / "m.safetensors")
    assert main(["export", "s", "a-0", "--storage", root, "--output", output]) == 2
    assert f"--code {evil}" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_code_is_found_inside_longer_texts(evil):
    assert list_code("worst:evil_module:Method", {"a": ["x(evil_module:Method)"]}) == [evil]
    assert list_code("digits-class:1", "cifar10-class:automobile", "resnet9:64", "relative_cost:min") == []  # fmt: skip


def test_code_that_was_allowed_once_is_not_stored(tmp_path):
    store_config(dataclasses.replace(CONFIG, code=("a:b",)), open_root(f"{tmp_path}/sweeps/s"))
    assert read_config("s", str(tmp_path)).code == ()


def test_a_configuration_that_was_changed_by_hand_is_refused(tmp_path, capsys):
    root = keep(str(tmp_path))
    file = tmp_path / "sweeps" / "s" / "config.json"
    file.write_text(file.read_text().replace('"seed": 0', '"seed": 1'))
    for command in ("status", "resume"):
        assert main([command, "s", "--storage", root]) == 2
        assert "is damaged: its checksum is another" in capsys.readouterr().err


def test_an_old_configuration_is_held_against_the_rows(tmp_path, capsys):
    """Before 0.2.0 a configuration had no checksum."""
    root = keep(str(tmp_path))
    old = dataclasses.replace(CONFIG, seed=1).to_json()
    open_root(root).write("sweeps/s/config.json", old.encode())
    assert main(["status", "s", "--storage", root]) == 2
    assert "seed 1 in its config.json, and 0 in the rows of a-0" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["1e400", "1" + "0" * 400, "NaN", "-Infinity"])
@pytest.mark.parametrize("name", ["trials", "trial_seconds", "seed", "gpus_per_trial"])
def test_huge_numbers_of_a_configuration_are_one_line(tmp_path, capsys, name, value):
    stored = json.loads(CONFIG.to_json())
    stored.pop(name)
    text = json.dumps(stored)[:-1] + f', "{name}": {value}}}'
    open_root(str(tmp_path)).write("sweeps/s/config.json", text.encode())
    assert main(["resume", "s", "--storage", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "is damaged" in said
    assert said.count("\n") == 1


def test_an_export_of_the_users_own_among_the_rows_is_named_and_left_out(tmp_path):
    """It has the columns that identify a row, and would outrank merged rows."""
    root = keep(str(tmp_path))
    before = read_results(root)
    own = before.select(["sweep", "trial_id", "epoch", "test_accuracy"]).replace_schema_metadata()
    put(root, "summary.parquet", own)
    for _ in range(2):
        with pytest.warns(
            UserWarning, match=r"a foreign file: .*summary\.parquet \(another program"
        ):
            assert read_results(root).equals(before)
        with pytest.warns(UserWarning, match=r"summary\.parquet"):
            compact_rows(root)


def test_an_impossible_value_of_an_unchecked_file_is_damage(tmp_path):
    rows = pa.Table.from_pylist(trial("a-0", epochs=1, test_accuracy=1.87), SCHEMA)
    put(str(tmp_path), "k.parquet", rows, version="1")
    with pytest.warns(
        UserWarning, match=r"k\.parquet \(test_accuracy is 1.87, not within 0\.\.1\)"
    ):
        assert read_results(tmp_path).num_rows == 0


def test_a_file_whose_digest_was_cut_out_is_damage(tmp_path):
    root = keep(str(tmp_path))
    (file,) = (tmp_path / "rows" / "s").iterdir()
    pq.write_table(pq.read_table(file, partitioning=None), file)
    with pytest.warns(UserWarning, match="its checksum is missing"):
        assert read_results(root).num_rows == 0


def test_a_damaged_file_is_set_aside(tmp_path):
    root = keep(str(tmp_path))
    file = "rows/s/k.parquet"
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(content[:-20])
    found = []
    assert read_results(root, on_damage=lambda *damage: found.append(damage)).num_rows == 0
    assert "its trials run again" in set_file_aside(root, *found[0])
    assert [path.name for path in (tmp_path / "rows" / "s").iterdir()] == ["k.parquet.damaged"]
    assert read_results(root).num_rows == 0


def test_text_of_rows_goes_through_as_text(tmp_path, capsys):
    root = keep(str(tmp_path), unlearner="[red]m\x1b[2J", params='{"p": "[b]\\u001b"}')
    assert main(["status", "s", "--storage", root]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "[red]m\\x1b[2J" in said
    assert "p=[b]\\x1b" in said


def test_a_message_has_no_escape_sequence(capsys):
    assert main(["status", "\x1b[2Jx", "--storage", "/nowhere"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_password_is_neither_printed_nor_stored(tmp_path, capsys):
    url = "postgresql://alice:s3cretPW@127.0.0.1:1/db"
    arguments = ["--task", "digits-class:1", "--trials", "1", "--unlearners", "ssd"]
    storage = ["--storage", str(tmp_path), "--optuna-storage", url]
    assert main(["sweep", *arguments, *storage]) == 2
    said = capsys.readouterr()
    assert "alice:***@127.0.0.1" in said.err
    assert "s3cretPW" not in said.err + said.out
    assert "s3cretPW" not in dataclasses.replace(CONFIG, optuna_storage=url).to_json()


def test_a_relative_database_means_the_same_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = dataclasses.replace(CONFIG, optuna_storage="sqlite:///studies.db").validate()
    assert config.optuna_storage == f"sqlite:///{tmp_path}/studies.db"
    for memory in ("sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"):
        with pytest.raises(InvalidValue, match="in memory"):
            normalise_database(memory)


def test_a_cluster_that_is_gone_is_given_up_with_the_reason(monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    with pytest.raises(InvalidValue, match=f"answers at 127.0.0.1:{port} .Connection refused"):
        check_answer("auto", patience=0.2)


def test_a_port_that_listens_and_says_nothing_is_given_up_too(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(InvalidValue, match="it does not reply"):
            check_answer(f"ray://127.0.0.1:{port}", patience=0.2)
        assert time.monotonic() - began < 10


def test_a_server_that_replies_is_no_fault():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(bytes(9))

        thread = threading.Thread(target=reply)
        thread.start()
        check_answer(f"ray://127.0.0.1:{server.getsockname()[1]}", patience=5)
        thread.join()


def test_an_ascii_terminal_gets_every_list(orchestrate):
    done = orchestrate("list", "objectives", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "METRIC:DIRECTION" in done.stdout
