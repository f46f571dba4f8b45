"""The architecture that CONTRIBUTING.md describes, held by the syntax trees of every file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from program import ROOT
from sources import FILES, SHARED_BY_METHODS, calls, inside, name_as_module, name_of, ours, uses

FLOORS: list[set[str]] = [
    {"orchestrator.__main__"},
    {"orchestrator.cli"},
    {"orchestrator.api"},
    {"orchestrator.sweeps"},
    {"orchestrator.execution"},
    {"orchestrator.reporting", "orchestrator.cluster"},
    {"orchestrator.config"},
    {"orchestrator.worker", "orchestrator.search", "orchestrator.loggers"},
    {"orchestrator.results"},
    {"tasks"},
]
"""From the top down: a module imports its own room and the floors below, never the room beside it."""
MOST_FILES_OF_A_FOLDER = 15
MOST_LINES_OF_A_FUNCTION = 60
MOST_LINES_OF_A_FILE = 300


def test_the_scan_sees_what_is_there() -> None:
    """Guards the tests below: an empty scan would pass them all."""
    assert len(FILES) > 60
    assert "tasks.unlearners.base" in ours(ROOT / "tasks/unlearners/finetuning/finetune.py")
    assert "orchestrator.results.columns" in ours(ROOT / "orchestrator/results/store.py")
    assert uses(ROOT / "orchestrator/results/store.py", "pyarrow") == {"pyarrow"}


def room_of(module: str) -> tuple[int, str] | None:
    """The floor of a module, from the top, and its room there; None for what stands beside the house."""
    for number, rooms in enumerate(FLOORS):
        for room in rooms:
            if module == room or module.startswith(f"{room}."):
                return number, room
    return None


@pytest.mark.parametrize("file", inside("tasks", "orchestrator"), ids=name_of)
def test_imports_go_down(file: Path) -> None:
    own = room_of(name_as_module(file))
    if name_of(file) == "orchestrator/__init__.py":
        return  # the door: it gives the public names, lazily
    assert own is not None, "on no floor: add it to FLOORS"
    for module in ours(file):
        other = room_of(module)
        assert other is not None, f"{module} is on no floor"
        assert other == own or other[0] > own[0], f"{module} is not below"


def test_no_imports_go_round_in_a_circle() -> None:
    """Also not those inside of functions or for types alone: they hide that two modules are one."""
    graph = {name_as_module(f): ours(f) - {name_as_module(f)} for f in FILES}
    done: set[str] = set()

    def follow(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for other in sorted(graph.get(module, ())):
                follow(other, (*path, module))
            done.add(module)

    for module in sorted(graph):
        follow(module, ())


def test_a_folder_holds_few_files() -> None:
    folders = {f.parent for f in FILES}
    crowded = {
        name_of(d): n for d in folders if (n := len(list(d.glob("*.py")))) > MOST_FILES_OF_A_FOLDER
    }
    assert crowded == {}


@pytest.mark.parametrize("file", inside("tasks"), ids=name_of)
def test_tasks_know_nothing_of_many_trials(file: Path) -> None:
    assert uses(file, "ray", "optuna", "cyclopts", "rich") == set()


PRINTING = ("orchestrator.cli", "orchestrator.reporting")
"""Rooms that write to the terminal: the command line and the observers."""


@pytest.mark.parametrize("file", inside("tasks", "orchestrator"), ids=name_of)
def test_only_the_command_line_and_observers_print(file: Path) -> None:
    if not name_as_module(file).startswith(PRINTING):
        assert {c for c in calls(file) if c == "print" or c.endswith("console.print")} == set()
        assert uses(file, "rich") == set()


@pytest.mark.parametrize("file", inside("tasks/unlearners"), ids=name_of)
def test_unlearners_import_neither_each_other_nor_evaluation(file: Path) -> None:
    found = {m for m in ours(file) if m.startswith(("tasks.unlearners", "tasks.evaluation"))}
    shared = tuple(f"tasks.unlearners.{m}" for m in (*SHARED_BY_METHODS, "steps"))
    # A method over methods finds them by name, like everybody: it knows the registry, and none of them.
    registry = {"tasks.unlearners"} if file.parent.name == "meta" else set()
    assert {m for m in found if not m.startswith(shared)} - registry == set()
    banned = ("tasks.workbench", "tasks.trial", "tasks.task", "tasks.artifacts")
    assert {m for m in ours(file) if m in banned} == set(), "an unlearner sees its problem alone"


@pytest.mark.parametrize(
    "file", inside("tasks/evaluation", "tasks/models", "tasks/forget_sets"), ids=name_of
)
def test_metrics_models_and_forget_sets_know_no_unlearner(file: Path) -> None:
    assert {m for m in ours(file) if m.startswith("tasks.unlearners")} == set()


@pytest.mark.parametrize("file", inside("analysis"), ids=name_of)
def test_analysis_reads_the_store_and_nothing_that_ran(file: Path) -> None:
    found = {m for m in ours(file) if m.partition(".")[0] != "analysis"}
    assert {m for m in found if not m.startswith("orchestrator.results")} == set()
    assert uses(file, "torch", "ray") == set()


@pytest.mark.parametrize("file", inside("orchestrator"), ids=name_of)
def test_the_orchestrator_knows_no_analysis_and_no_tests(file: Path) -> None:
    assert {m for m in ours(file) if m.startswith(("analysis", "tests", "benchmarks"))} == set()


@pytest.mark.parametrize("package", ["tasks", "analysis"])
def test_top_level_init_files_are_empty(package: str) -> None:
    """The one of orchestrator holds the public API: see tests/orchestrator/api/test_api.py."""
    assert (ROOT / package / "__init__.py").read_text() == ""


def test_tests_are_no_packages_and_their_names_differ() -> None:
    """Otherwise two test modules of one name would hide each other."""
    files = list((ROOT / "tests").rglob("test_*.py"))
    assert list((ROOT / "tests").rglob("__init__.py")) == []
    assert len({f.name for f in files}) == len(files)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_functions_and_files_stay_short(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= MOST_LINES_OF_A_FILE
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}


GLOBAL_SEEDS = {
    "torch.manual_seed", "torch.seed", "torch.random.manual_seed", "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all", "torch.set_rng_state", "np.random.seed", "numpy.random.seed",
    "np.random.set_state", "random.seed",
}  # fmt: skip


@pytest.mark.parametrize("file", inside("tasks", "orchestrator"), ids=name_of)
def test_nothing_is_seeded_globally_or_moved_to_a_hard_coded_device(file: Path) -> None:
    called = set(calls(file))
    assert called & GLOBAL_SEEDS == set()
    assert {c for c in called if c.endswith(".cuda")} == set()
    legacy = {c for c in called if c.startswith(("np.random.", "numpy.random."))}
    own = ("np.random.default_rng", "np.random.RandomState")  # generators with a seed of their own
    assert {c for c in legacy if not c.startswith(own)} == set()
