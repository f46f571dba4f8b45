"""A metric of an installed plug-in: what it declares is known everywhere, as of one of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from program import rows_of

LIRA = '''
from tasks.evaluation.metric import metric


@metric(half="test", best=0.5, unit="fraction", headline="LiRA\\nAUC")
def crystal_auc(evaluation):
    """Rank the forget set's losses among those of the test half; ideal .5."""
    members, others = evaluation.forget.losses, evaluation.test.losses
    return float((members[:, None] < others).mean())
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A folder as pip leaves one: a module, and an entry point that names its metric."""
    folder = tmp_path / "site"
    info = folder / "own_lira-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "own_lira.py").write_text(LIRA)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-lira\nVersion: 1.0\n")
    entry_points = "[orchestrator.metrics]\ncrystal_auc = own_lira:crystal_auc\n"
    (info / "entry_points.txt").write_text(entry_points)
    return folder


def test_a_search_that_steers_by_a_plugins_test_half_says_so(
    plugin: Path, storage: Path, orchestrate
) -> None:  # type: ignore[no-untyped-def]
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--unlearners", "ssd", "--trials", "1",
        "--objective", "crystal_auc:down", "--name", "own", "--storage", storage,
        PYTHONPATH=str(plugin),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOTICE: this objective optimises crystal_auc on the test half" in done.stdout
    assert "LiRA" in done.stdout, "its heading is in the table of the front"
    listed = orchestrate("list", "columns", PYTHONPATH=str(plugin)).stdout
    assert "crystal_auc (real) [fraction]: Rank the forget set's losses" in listed
    # This process has no such plug-in, hence no such column.
    assert all("crystal_auc" not in row for row in rows_of(storage, "own"))


def test_a_metric_that_cannot_be_imported_is_left_out_and_named(plugin: Path, orchestrate) -> None:  # type: ignore[no-untyped-def]
    (plugin / "own_lira.py").write_text("import no_such_package")
    done = orchestrate("list", "metrics", PYTHONPATH=str(plugin))
    assert done.returncode == 0
    assert "test_accuracy_retained" in done.stdout
    assert "crystal_auc" not in done.stdout
    assert "left out a metric: cannot import metric 'crystal_auc'" in done.stderr


def test_an_unknown_metric_is_one_line_that_lists_those_of_plugins_too(
    plugin: Path, orchestrate
) -> None:  # type: ignore[no-untyped-def]
    done = orchestrate("sweep", "--objective", "lira:down", PYTHONPATH=str(plugin))
    assert done.returncode == 2
    assert "unknown metric 'lira'" in done.stderr
    assert "crystal_auc" in done.stderr
