"""A made-up sweep as it lies in a storage root, with all that a report tells of; and the page of its report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from store_rows import trial

import orchestrator
from orchestrator.config import SweepConfig
from orchestrator.results.store import write_rows
from orchestrator.sweeps.folder import store_config
from tasks.storage.roots import open_root

Row = dict[str, Any]
EVIL = "</script><img src=x onerror=\"alert('1')\">"
"""Text that must stay text."""
TASK = "digits-class:1"
LRS = (0.001, 0.005, 0.01, 0.02, 0.05)


def store_sweep(
    root: Path,
    name: str,
    *,
    confirmed: bool = False,
    held: float = 0.92,
    rows: bool = True,
    reason: str = EVIL,
) -> Path:
    """Store a sweep of eight trials of two methods, one of which failed for `reason`; return the storage root.

    If it is `confirmed`, the mean accuracy of everything over three fresh seeds is `held`.
    """
    config = SweepConfig(
        task=TASK, unlearners=("finetune", "ssd"), trials=5, name=name, storage=str(root), model="small-cnn",
        budgets={"finetune": 5, "ssd": 3}, references=3,
    )  # fmt: skip
    store_config(config, open_root(f"{root}/sweeps/{name}"))
    for number, members in enumerate([*_models(), *_trials(reason)] if rows else []):
        _store(root, name, number, members)
    for seed in (1, 2, 3) if confirmed else ():
        repeats = [*_models(), *_trials(reason)]
        for number, members in enumerate(repeats):
            again = [
                row
                | {
                    "confirms": name,
                    "task_seed": seed,
                    "test_accuracy_retained": held + (seed - 2) / 100,
                }
                for row in members
            ]
            _store(root, f"{name}+seed-{seed}", number, again)
    return root


def store_losses(root: Path, name: str, point: Row) -> None:
    """Store made-up loss histograms of a point, as `report --losses` does."""
    low, high = ([float(n == place) for n in range(4)] for place in (0, 3))
    models = {
        "original": {"forgotten": low, "held_out": high},
        "recommended": {"forgotten": high, "held_out": high},
        "retrained": {"forgotten": high, "held_out": high},
    }
    found = {
        "trial_id": point["trial_id"], "epoch": point["epoch"], "edges": [-6, -4, -2, 0, 2], "models": models
    }  # fmt: skip
    open_root(f"{root}/sweeps/{name}").write("losses.json", json.dumps(found).encode())


def write(store: Path, *names: str) -> str:
    """Write the page of these sweeps, and return it."""
    return orchestrator.report(*names, storage=store, output=store / "page.html").read_text()


def data_of(page: str) -> Any:
    """Return what the page gives its scripts."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)


def _store(root: Path, sweep: str, number: int, rows: list[Row]) -> None:
    write_rows(root, sweep, f"key{number}", [row | {"sweep": sweep} for row in rows])


def _models() -> list[list[Row]]:
    original = _measured("original", 0.95, 0.1, 0.0, 1.0)
    references = [
        _measured(name, 0.96 + shift, 0.9 + shift, 1.0, 0.0)
        for name, shift in (("retrained", 0.0), ("reference-1", 0.01), ("reference-2", -0.01))
    ]
    return [
        trial("original", epochs=1, role="original", **original),
        *(
            trial(name, epochs=1, role="retrained", **values)
            for name, values in zip(("retrained", "reference-1", "reference-2"), references, strict=True)
        ),
    ]  # fmt: skip


def _trials(reason: str) -> list[list[Row]]:
    """Five trials of fine-tuning that forget more with each of three epochs, two of ssd, and one that failed."""
    found = []
    for number, lr in enumerate(LRS):
        rows = trial(
            f"finetune-{number}", 3, number, **_method("finetune", {"epochs": 3, "lr": lr})
        )
        for row in rows:
            epoch = row["epoch"]
            hidden, cost = 0.2 * epoch + 0.02 * number, 0.05 * epoch + 0.01 * number
            row |= _measured("", 0.95 - 0.01 * number, hidden, cost, 1 - hidden)
        found.append(rows)
    for number, selection in enumerate(("5.0", EVIL)):
        values = _measured("", 0.90 + 0.02 * number, 0.85, 0.02, 0.1) | {"over_unlearned": 1.0}
        params = {"selection": selection, "dampening": 1.0}
        found.append(trial(f"ssd-{number}", 1, 9, **_method("ssd", params), **values))
    failed = {"state": "failed", "error": reason}
    found.append(
        trial("ssd-2", 1, 10, **_method("ssd", {"selection": "7.0", "dampening": 1.0}), **failed)
    )
    return found


def _method(name: str, params: Row) -> Row:
    return {"unlearner": name, "params": json.dumps(params), "seed": 7}


def _measured(name: str, accuracy: float, hidden: float, cost: float, forgotten: float) -> Row:
    """What a row has of a model; the name is for the reader alone."""
    return {
        "task": TASK, "model": "small-cnn", "task_seed": 0, "threads": 1, "references": 3, "device": "cpu",
        "host": "a machine", "versions": json.dumps({"python": "3.11", "torch": "2.8"}),
        "validation_accuracy_retained": accuracy, "validation_indistinguishability": hidden,
        "test_accuracy_retained": accuracy, "indistinguishability": hidden, "test_accuracy_forgotten": forgotten,
        "mia_class_matched_accuracy": 0.5, "relative_cost": cost, "unlearn_seconds": 10 * cost,
        "pgd_gap": -hidden / 10,
    }  # fmt: skip
