"""Mean ± standard deviation over last points, with counts and baselines."""

from __future__ import annotations

from analysis.metric_table import main


def rows_of(text):
    """Cells of a Markdown table by their first."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return {row[0]: row[1:] for row in cells}


def test_mean_and_spread_over_last_points_alone(store, row, baselines, capsys):
    root = store(
        *baselines,
        row("finetune-0", epoch=1, final=False, accuracy=0.10),
        row("finetune-0", epoch=2, accuracy=0.80),
        row("finetune-1", accuracy=0.90),
        row("finetune-2", state="failed", accuracy=0.0, error="diverged"),
        row("finetune-3", epoch=1, final=False, state="pruned", accuracy=0.2),
        row("finetune-3", epoch=2, state="pruned", accuracy=0.1),
        row("ssd-0", accuracy=0.70),
    )
    assert main([str(root), "--markdown", "--metrics", "test_accuracy_retained"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert list(rows)[2:] == ["original", "retrained", "finetune", "ssd"]
    assert rows["original"] == ["1", "", "", "0.880"]
    assert rows["finetune"] == ["2", "1", "1", "0.850 ± 0.071"]
    assert rows["ssd"] == ["1", "0", "0", "0.700"]


def test_method_of_failures_alone_is_counted(store, row, capsys):
    root = store(row("finetune-0"), row("ssd-0", state="failed"), row("ssd-1", state="failed"))
    assert main([str(root), "--markdown", "--metrics", "relative_cost"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows["ssd"] == ["0", "0", "2", "—"]
    assert rows["retrained"] == ["0", "", "", "—"]


def test_all_metrics_are_in_the_wide_table(store, row, capsys):
    assert main([str(store(row("finetune-0"))), "--metrics", "all"]) == 0
    assert "gradient" in capsys.readouterr().out


def test_unknown_metric_lists_the_valid_ones(store, row, capsys):
    assert main([str(store(row("finetune-0"))), "--metrics", "acuracy"]) == 2
    said = capsys.readouterr().err
    assert "unknown metric 'acuracy'" in said
    assert "retain_accuracy" in said
