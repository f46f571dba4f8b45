"""Each method at its best point; or mean ± standard deviation over last points, with counts."""

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
    assert main([str(root), "--markdown", "--mean", "--metrics", "test_accuracy_retained"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert list(rows)[2:] == ["original", "retrained", "finetune", "ssd"]
    assert rows["original"] == ["1", "", "", "0.880"]
    assert rows["finetune"] == ["2", "1", "1", "0.850 ± 0.071"]
    assert rows["ssd"] == ["1", "0", "0", "0.700"]


def test_each_method_stands_at_the_point_that_the_rule_recommends_of_its_own(
    store, row, baselines, capsys
):
    references = [{**baselines[1], "trial_id": f"reference-{n}"} for n in (1, 2)]
    hidden = "validation_indistinguishability"
    root = store(
        {**baselines[0], hidden: 0.1},
        *({**r, hidden: 0.95} for r in (baselines[1], *references)),
        row("ssd-0", accuracy=0.80, **{hidden: 0.90}),
        row("ssd-1", accuracy=0.70, **{hidden: 0.95}),
        row("finetune-0", accuracy=0.88, **{hidden: 0.11}),
    )
    assert main([str(root), "--markdown", "--metrics", "test_accuracy_retained"]) == 0
    said = capsys.readouterr().out
    rows = rows_of(said)
    assert rows["ssd"][:2] == ["ssd-0", "0.800"]
    assert rows["finetune"][:2] == ["none", "—"]
    assert rows["retrained, mean of 3"][1] == "0.890 ± 0.000"
    assert "None: no point of the method is better than the original" in said


def test_method_of_failures_alone_is_counted(store, row, capsys):
    root = store(row("finetune-0"), row("ssd-0", state="failed"), row("ssd-1", state="failed"))
    assert main([str(root), "--markdown", "--mean", "--metrics", "relative_cost"]) == 0
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
