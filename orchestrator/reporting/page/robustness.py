"""How the models of a page stand attacks and shifted images: what `--metrics` measured, beside the references."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.reporting.page.content import SweepContent, list_points
from orchestrator.reporting.page.tables import Cell, Heading, SortedTable
from orchestrator.results.columns import COLUMNS, find_bounds
from orchestrator.results.confirmation.repeats import Repeated
from orchestrator.results.confirmation.table import spell_estimate
from orchestrator.results.figures.values import MISSING, spell_count, spell_value
from orchestrator.results.recommendation import choose_of_each_method
from orchestrator.results.sweep_rows import ORIGINAL, Row

SHOWN = {
    "fgsm_gap": "FGSM",
    "pgd_gap": "PGD",
    "autoattack_gap": "AutoAttack",
    "corruption_gap": "corruptions",
    "worst_corruption_gap": "at severity 5",
    "quantised_8_bit_gap": "8 bits",
    "quantised_4_bit_gap": "4 bits",
    "quantised_3_bit_gap": "3 bits",
    "relearn_gap_retain": "relearned",
    "relearn_gap_tenth": "given a tenth",
}
"""Columns of the table, and their headings: attacks, shifted images, rounded weights, further training."""
NOTES = [
    "Each number is the model's less the mean of retrained models, on the same images: 0 is ideal. Attacks and "
    "corruptions: the share of test images of retained classes that stay right; below 0 the model is easier to "
    "deceive than a retrained one. Bits and relearned (on retained images, then given a tenth of the forget set too): "
    "how much of the forget set comes back; above 0 knowledge was left.",
    "n seeds: the mean over fresh seeds, and from three seeds on ± half its 95 % interval; otherwise the number is the "
    "search's own.",
]


def make_robustness_table(content: SweepContent) -> SortedTable | None:
    """Return the original and each method's best point, as far as they were measured; None if none was."""
    names = [name for name in SHOWN if _is_measured(content, name)]
    if not names:
        return None
    models: list[list[Cell]] = []
    rows: list[list[Cell]] = []
    for label, searched, repeated in _list_models(content):
        line = [Cell(label, label), *(_make_cell(name, searched, repeated) for name in names)]
        if any(cell.text != MISSING for cell in line[1:]):
            (models if label == ORIGINAL else rows).append(line)
    header = [
        Heading("method", number=False),
        *(Heading(SHOWN[n], COLUMNS[n].help) for n in names),
    ]
    return SortedTable("Less what retrained models have", header, rows, models, NOTES)


def _is_measured(content: SweepContent, name: str) -> bool:
    return any(row.get(name) is not None for row in (*content.rows, *content.repeats))


def _list_models(content: SweepContent) -> Iterator[tuple[str, Row | None, Repeated | None]]:
    """Yield the original, each method's best point, then what else ran again, with the repeats of each."""
    baselines = [
        found.baselines[ORIGINAL]
        for found in content.confirmations.values()
        if ORIGINAL in found.baselines
    ]
    yield ORIGINAL, content.sweep.baseline(ORIGINAL), baselines[0] if baselines else None
    chosen = choose_of_each_method(content.rows, content.objective)
    for row in chosen:
        yield row["unlearner"], row, content.find_repeated(row)
    told = {(row["trial_id"], row["epoch"]) for row in chosen}
    for point in list_points(content.confirmations.values()):
        row = point.searched
        if (row["trial_id"], row["epoch"]) not in told:
            yield f"{row['trial_id']}, epoch {row['epoch']}", row, point


def _make_cell(name: str, searched: Row | None, repeated: Repeated | None) -> Cell:
    found = repeated.over_seeds(name) if repeated else None
    if found is not None:
        return Cell(
            spell_estimate(found, *find_bounds(name)), found.mean, spell_count(found.n, "seed")
        )
    value = searched.get(name) if searched else None
    return Cell(spell_value(name, value), value)
