"""Tables in the columns of papers: their numbers follow from known rows."""

from __future__ import annotations

import pytest

from analysis.paper_styles import judge_likeness
from analysis.paper_table import main


@pytest.fixture
def root(store, row, baselines):
    """SalUn's own numbers of two methods, and those of its retrained model; as fractions."""
    _, retrained = baselines
    known = {
        "retain_accuracy": 1.0,
        "forget_accuracy": 0.9476,
        "test_accuracy_retained": 0.9426,
        "svc_mia_confidence": 0.1288,
    }
    salun = {
        "retain_accuracy": 0.9962,
        "forget_accuracy": 0.9715,
        "test_accuracy_retained": 0.9393,
        "svc_mia_confidence": 0.1439,
    }
    asked = {"forgetting_quality": 0.06, "confidence_ks": 0.1, "forget_count": 400}
    return store(
        baselines[0],
        retrained | known,
        row("salun_x-0", unlearn_seconds=120.0, mia_class_matched_accuracy=0.52, **salun, **asked),
        row("ssd-0", unlearn_seconds=6.0, **(known | {"svc_mia_confidence": None})),
    )  # fmt: skip


def lines_of(text):
    """The cells of each line of a Markdown table, by method."""
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    return {cells[0]: cells[1:] for cells in rows}


def printed(root, capsys, *flags):
    assert main([str(root), *flags]) == 0
    return capsys.readouterr()


def test_salun(root, capsys):
    found = lines_of(printed(root, capsys, "--style", "salun", "--markdown").out)
    assert found["method"] == ["UA", "RA", "TA", "MIA", "Avg. Gap ↓", "RTE"]
    assert found["retrained"] == ["5.24", "100.00", "94.26", "12.88", "0.00", "10.000"]
    # (2.39 + .38 + .33 + 1.51) / 4; the paper prints 1.15
    assert found["salun_x"] == ["2.85", "99.62", "93.93", "14.39", "1.15", "2.000"]
    assert found["ssd"] == ["5.24", "100.00", "94.26", "—", "—", "0.100"]
    assert list(found)[2:] == ["original", "retrained", "salun_x", "ssd"]


def test_scrub_has_errors(root, capsys):
    found = lines_of(printed(root, capsys, "--style", "scrub", "--markdown").out)
    assert found["salun_x"] == ["6.07", "0.38", "2.85", "52.00"]


def test_the_challenges_score_is_a_product_of_ratios(root, capsys):
    said = printed(root, capsys, "--style", "nfmu", "--markdown")
    found = lines_of(said.out)
    assert found["salun_x"][4:] == ["0.0600", f"{0.06 * 0.9962 * 0.9393 / 0.9426:.4f}"]
    assert found["ssd"][4:] == ["—", "—"]


def test_tofu_is_a_harmonic_mean_and_a_p_value(root, capsys):
    found = lines_of(printed(root, capsys, "--style", "tofu", "--markdown").out)
    assert found["salun_x"][0] == f"{2 / (1 / 0.9962 + 1 / 0.9393):.4f}"
    # sup |F - G| = .1 of twice 200: the tail of Kolmogorov's distribution at 1
    assert found["salun_x"][1] == "0.2700"
    assert judge_likeness({"confidence_ks": 0.0, "forget_count": 10}, {}) == 1.0


def test_latex_is_escaped_and_has_a_rule_below_the_models(root, capsys):
    lines = printed(root, capsys, "--style", "salun", "--latex").out.splitlines()
    assert r"\begin{tabular}{lrrrrrr}" in lines
    assert r"method & UA & RA & TA & MIA & Avg. Gap $\downarrow$ & RTE \\" in lines
    at = next(n for n, line in enumerate(lines) if line.startswith("retrained"))
    assert lines[at + 1] == r"\midrule"
    assert lines[at + 2].startswith(r"salun\_x & 2.85 & ")


def test_a_column_without_values_says_how_to_get_them(store, row, baselines, capsys):
    said = printed(store(*baselines, row("ssd-0")), capsys)
    assert "no values of MIA, Avg. Gap ↓: add --metrics all" in said.err


def test_over_fresh_seeds_each_is_held_against_its_own_retrained(store, row, baselines, capsys):
    found = [*baselines, row("ssd-0")]
    names = ("forget_accuracy", "retain_accuracy", "test_accuracy_retained", "svc_mia_confidence")
    for seed, value in ((1, 0.5), (2, 0.7)):
        about = {"sweep": f"deck+methods-seed-{seed}", "confirms": "deck", "task_seed": seed}
        found += [each | about | dict.fromkeys(names, value) for each in baselines]
        found.append(row("ssd-0", **about) | dict.fromkeys(names, value + 0.01 * seed))
    said = printed(store(*found), capsys, "--sweep", "deck", "--confirmed", "--markdown")
    assert lines_of(said.out)["ssd"][:2] == ["38.50 ± 14.85", "61.50 ± 14.85"]
    assert lines_of(said.out)["ssd"][4] == "1.50 ± 0.71"


def test_without_a_retrained_model_there_is_one_line(store, row, capsys):
    assert main([str(store(row("ssd-0")))]) == 2
    assert "no retrained model" in capsys.readouterr().err
