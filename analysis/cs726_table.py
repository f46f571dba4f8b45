"""The numbers of the CS726 deck, next to the measured ones.

python analysis/cs726_table.py RESULTS [--sweep NAME] [--markdown]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the repository, if run as a script

from analysis.cs726_choice import (
    COST_LIMIT,
    MIA_MARGIN,
    PARETO,
    TEST,
    Choice,
    best_final,
    choose_final,
    list_misses,
)
from analysis.results import Results, SweepName, print_note, read_sweep, run_script
from analysis.tables import MISSING, Table, print_table, spell_value
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.recommendation import recommend_point
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row, Sweep

TASK = "cifar10-class:automobile"
"""What the deck forgot: every training automobile of CIFAR-10."""
DECK = {ORIGINAL: 88.0, "finetune": 84.1, "finetune-l2sp": 85.8, "final": 88.0}
"""Accuracy on the test set's retained classes, in per cent."""
DECK_SIMPLE, DECK_MATCHED = 0.99, 0.46
"""Accuracy of the loss attack, non-members from the whole test set and class-matched."""

CONDITIONS_MET = (
    "retained accuracy at least the original's, class-matched MIA in "
    f".5 ± {MIA_MARGIN:.2f}, cost under {100 * COST_LIMIT:.0f} % of a retrain"
)


def cs726_table(results: Results, /, *, sweep: SweepName = None, markdown: bool = False) -> None:
    """Print the deck's table next to this sweep's, and whether its chosen point beats the deck.

    Parameters
    ----------
    markdown
        Print Markdown.
    """
    found = read_sweep(results, sweep)
    if found.task != TASK:
        print_note(f"{found.task} is not the deck's task, {TASK}: its numbers are for orientation")
    original = found.baseline(ORIGINAL)
    floor = find_noise_floor(found.rows)
    choice = choose_final(found.points, original, floor) if original else None
    print_table(deck_table(found, choice), markdown=markdown)
    print_table(model_table(found, choice), markdown=markdown)
    for line in judge_choice(found, choice):
        print(f"- {line}" if markdown else line)


def deck_table(sweep: Sweep, choice: Choice | None) -> Table:
    """Return a table (deck, measured, n trials): accuracies on the retained classes, then two attacks."""
    original, final = sweep.baseline(ORIGINAL), choice.row if choice else None
    rows = [
        _accuracy("original model", DECK[ORIGINAL], original, 1 if original else 0),
        *(
            _accuracy(name, DECK[name], best_final(sweep.finals, name), _trials(sweep, name))
            for name in ("finetune", "finetune-l2sp")
        ),
        _accuracy("final model", DECK["final"], final, len(sweep.finals)),
        _attack("all test classes", DECK_SIMPLE, "mia_simple_accuracy", final, sweep),
        _attack("class-matched", DECK_MATCHED, "mia_class_matched_accuracy", final, sweep),
    ]
    return Table(
        title=f"{sweep.name}: CS726 deck and measured, {sweep.task}, test half",
        header=["", "deck", "measured", "n trials"],
        rows=rows,
        caption="Accuracy on the retained classes in %. finetune, finetune-l2sp: of n trials' "
        "last points, the one with the highest validation_accuracy_retained.\n"
        f"Final model: {_rule(choice)}\n"
        "MIA: the deck drew non-members from the whole test set, here they are of the test half.",
        sections=frozenset({4}),
    )


def model_table(sweep: Sweep, choice: Choice | None) -> Table:
    """Return the test columns and the cost of the deck's models, of a retrain and of the recommended point."""
    columns = (
        "test_accuracy_retained",
        "test_accuracy_forgotten",
        "indistinguishability",
        "mia_simple_accuracy",
        "mia_class_matched_accuracy",
        "unlearn_seconds",
        "relative_cost",
    )
    models = {
        "original": sweep.baseline(ORIGINAL),
        "retrained": sweep.baseline(RETRAINED),
        "best finetune": best_final(sweep.finals, "finetune"),
        "best finetune-l2sp": best_final(sweep.finals, "finetune-l2sp"),
        "final model": choice.row if choice else None,
        "recommended": recommend_point(sweep.rows, PARETO),
    }
    return Table(
        title="Those models on the test half",
        header=["model", "trial", "epoch", *(column.replace("_", "\n") for column in columns)],
        rows=[
            [name, row["trial_id"], str(row["epoch"]), *(spell_value(c, row[c]) for c in columns)]
            if row
            else [name, *[MISSING] * (len(columns) + 2)]
            for name, row in models.items()
        ],
        sections=frozenset({2}),
    )


def judge_choice(sweep: Sweep, choice: Choice | None) -> list[str]:
    """Tell whether the chosen point beats the deck's final model on the test half, with a caution."""
    original = sweep.baseline(ORIGINAL)
    if choice is None or original is None:
        return [f"No final model: {_rule(choice)}"]
    failed = list_misses(choice.row, original, TEST)
    point = f"{choice.row['trial_id']} at epoch {choice.row['epoch']}"
    outcome = "; ".join(failed) if failed else CONDITIONS_MET
    if not choice.qualifies:
        said = (
            f"The deck is not beaten: no point qualifies. The nearest, {point}, on test: {outcome}."
        )
    else:
        verb = "does not beat" if failed else "beats"
        said = f"On the test half, {point} {verb} the deck: {outcome}."
    return [said, *_seconds(sweep, choice.row), *_caution(sweep, choice.row, original)]


def _seconds(sweep: Sweep, row: Row) -> list[str]:
    retrained = sweep.baseline(RETRAINED)
    if retrained is None or not retrained["unlearn_seconds"]:
        return []
    taken, whole = row["unlearn_seconds"], retrained["unlearn_seconds"]
    return [
        f"By the clock it took {spell_value('unlearn_seconds', taken)} s (threads: {row['threads']}), "
        f"{_percent(taken / whole)} % of the {spell_value('unlearn_seconds', whole)} s that the retrain took "
        f"(threads: {retrained['threads']})."
    ]


def _caution(sweep: Sweep, row: Row, original: Row) -> list[str]:
    forgotten = row["test_accuracy_forgotten"]
    if forgotten is None:
        return []
    retrained = sweep.baseline(RETRAINED)
    return [
        f"Test accuracy on the forgotten classes: {_percent(forgotten)} % (original "
        f"{_percent(original['test_accuracy_forgotten'])} %, retrained "
        f"{_percent(retrained['test_accuracy_forgotten'] if retrained else None)} %). A "
        "class-matched MIA near .5 does not show that a class is forgotten: the original's own is "
        f"{spell_value('mia_class_matched_accuracy', original['mia_class_matched_accuracy'])}."
    ]


def _rule(choice: Choice | None) -> str:
    return choice.rule if choice else "nothing to choose from yet."


def _accuracy(name: str, deck: float, row: Row | None, n: int) -> list[str]:
    label = f"accuracy, {name}"
    return [label, f"{deck:.1f}", _percent(row["test_accuracy_retained"] if row else None), str(n)]


def _attack(name: str, deck: float, column: str, row: Row | None, sweep: Sweep) -> list[str]:
    measured = spell_value(column, row[column]) if row else MISSING
    return [f"MIA, final model, {name}", f"{deck:.2f}", measured, str(len(sweep.finals))]


def _percent(fraction: float | None) -> str:
    return MISSING if fraction is None else f"{100 * fraction:.1f}"


def _trials(sweep: Sweep, unlearner: str) -> int:
    return sum(row["unlearner"] == unlearner for row in sweep.finals)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script on `argv`; returns its exit code."""
    return run_script(cs726_table, argv)


if __name__ == "__main__":
    sys.exit(main())
