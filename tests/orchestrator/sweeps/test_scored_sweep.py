"""A real small sweep on a forget set that a scoring model chooses."""

from __future__ import annotations

import json

from program import rows_of

from orchestrator.cli.main import main


def test_a_sweep_chooses_once_says_so_and_every_row_has_it(tmp_path, orchestrate, capsys):
    task = ("--task", "digits-loss:top:40", "--storage", tmp_path)
    done = orchestrate(
        "sweep", *task, "--name", "hard", "--unlearners", "ssd", "--trials", "2",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    words = done.stdout
    line = next(w for w in words.splitlines() if w.startswith("forget set: "))
    assert line.startswith("forget set: 40 of 1,198 training examples: ")
    assert "choosing them took" in line
    assert words.count("training the scoring model") == 1
    assert words.index("training the scoring model") < words.index("training the original model")
    rows = rows_of(tmp_path, "hard")
    assert {row["role"] for row in rows} == {"original", "retrained", "trial"}
    assert {row["forget_count"] for row in rows} == {40}
    (mask,) = {row["forget_mask"] for row in rows}
    (classes,) = {row["forget_classes"] for row in rows}
    assert sum(json.loads(classes).values()) == 40
    assert all(f"{name} {n}" in line for name, n in json.loads(classes).items())
    assert all(row["targeted_error"] is row["attack_success"] is None for row in rows)
    (file,) = (tmp_path / "artifacts").glob("*.mask")
    assert file.read_bytes()[:16].decode() == mask

    assert main(["run", *map(str, task), "--unlearner", "ssd"]) == 0
    again = capsys.readouterr().out
    assert "training" not in again.replace("training examples", "")
    assert line.partition(";")[0] in again.splitlines()
