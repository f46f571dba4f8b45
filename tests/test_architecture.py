"""The architecture that DESIGN.md draws, held by the syntax trees of every file."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import FEWER

from orchestrator.results.objectives import OBJECTIVES
from tasks.datasets import DATASETS
from tasks.evaluation import METRICS
from tasks.evaluation.metric import Metric
from tasks.forget_sets import FORGET_SETS
from tasks.models import AUTO, MODELS
from tasks.needs import NEEDS
from tasks.sequences.task_names import TASKS, split_name
from tasks.unlearners import UNLEARNERS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("tasks", "orchestrator", "analysis")
FILES = [f for package in PACKAGES for f in sorted((ROOT / package).rglob("*.py"))]
FLOORS: list[set[str]] = [
    {"orchestrator.__main__"},
    {"orchestrator.cli"},
    {"orchestrator.api"},
    {"orchestrator.sweeps"},
    {"orchestrator.execution"},
    {"orchestrator.reporting", "orchestrator.cluster"},
    {"orchestrator.config"},
    {"orchestrator.worker", "orchestrator.search"},
    {"orchestrator.results"},
    {"tasks"},
]
"""From the top down: a module imports its own room and the floors below, never the room beside it."""

MOST_FILES_OF_A_FOLDER = 15
MOST_LINES_OF_A_FUNCTION = 60
MOST_LINES_OF_A_FILE = 300


def name_of(file: Path) -> str:
    """A file's path in the repository: the test's id."""
    return file.relative_to(ROOT).as_posix()


def inside(*folders: str) -> list[Path]:
    """The files below any of the folders."""
    return [f for f in FILES if any((ROOT / folder) in f.parents for folder in folders)]


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, also inside functions; `from a import b` is a.b."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(imported: str) -> str:
    """The module in an imported dotted name: a.b.C is a.b, for a name C that is no module."""
    parts = imported.split(".")
    while parts:
        path = ROOT.joinpath(*parts)
        if path.is_dir() or path.with_suffix(".py").is_file():
            return ".".join(parts)
        parts.pop()
    return imported


def ours(file: Path) -> set[str]:
    """The modules of this repository that a file imports."""
    top = {f"{package}." for package in (*PACKAGES, "tests", "benchmarks")}
    return {module_of(m) for m in imports(file) if any(f"{m}.".startswith(t) for t in top)}


def uses(file: Path, *roots: str) -> set[str]:
    """Which of the top-level packages a file imports."""
    return {m.partition(".")[0] for m in imports(file)} & set(roots)


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


def name_as_module(file: Path) -> str:
    """The dotted name under which a file is imported."""
    return name_of(file).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


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


SHARED_BY_METHODS = ("base", "declaration", "descent", "passes")
"""Modules of `tasks/unlearners` that are no method."""


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
    """The one of orchestrator holds the public API: see tests/orchestrator/test_api.py."""
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


def calls(file: Path) -> Iterator[str]:
    """The dotted names that a file calls, such as torch.manual_seed."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


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


ENTRIES = {**DATASETS, **FORGET_SETS, **MODELS, **UNLEARNERS, **NEEDS}


@pytest.mark.parametrize("name", list(ENTRIES))
def test_every_registered_name_resolves_to_something_documented(name: str) -> None:
    found = pkgutil.resolve_name(ENTRIES[name])
    assert callable(found)
    assert found.__doc__


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_is_a_function_of_its_name(name: str) -> None:
    metric = pkgutil.resolve_name(METRICS[name])
    assert isinstance(metric, Metric)
    assert metric.function.__name__ == name
    assert metric.function.__doc__


def test_registries_agree_with_each_other() -> None:
    assert set(AUTO) == set(DATASETS)
    assert {
        spec.partition(":")[0] for by_device in AUTO.values() for spec in by_device.values()
    } <= set(MODELS)
    assert {split_name(name)[0] for name in TASKS} == set(DATASETS)
    assert all(len(o.metrics) == len(o.maximise) for o in OBJECTIVES.values())


def defines(file: Path, kind: type[ast.stmt], prefix: str = "") -> bool:
    """Whether a file defines a function or class at its top level, whose name begins so."""
    body = ast.parse(file.read_text()).body
    return any(isinstance(node, kind) and node.name.startswith(prefix) for node in body)  # type: ignore[attr-defined]


def test_no_method_model_data_or_forget_set_is_left_out_of_its_registry() -> None:
    """A file with a class or a loader that no registry names can never be chosen."""
    steps = inside("tasks/unlearners/steps")
    methods = [f for f in inside("tasks/unlearners") if f not in steps]
    choices = [
        *(f for f in methods if defines(f, ast.ClassDef) and f.stem not in SHARED_BY_METHODS),
        *(f for f in inside("tasks/forget_sets") if defines(f, ast.ClassDef) and f.stem != "base"),
        *(
            f
            for f in inside("tasks/models")
            if defines(f, ast.ClassDef) and f.stem not in ("network", "own")
        ),
        *(f for f in inside("tasks/needs") if defines(f, ast.ClassDef) and f.stem != "base"),
        *(f for f in inside("tasks/datasets") if defines(f, ast.FunctionDef, "load_")),
    ]
    named = {reference.partition(":")[0] for reference in ENTRIES.values()}
    modules = {name_of(f).removesuffix(".py").replace("/", ".") for f in choices}
    assert modules - {"tasks.datasets.__init__"} == named


IMPORTED = """
import sys
import {module}
print(" ".join(sorted({{m.partition(".")[0] for m in sys.modules}} & set({heavy!r}))))
"""


@pytest.mark.parametrize(
    "module",
    ["tasks", "tasks.task", "tasks.unlearners", "tasks.models", "orchestrator.results.store",
     "orchestrator.results.objectives", "orchestrator.results.pareto", "tasks.evaluation", "orchestrator.config"],
)  # fmt: skip
def test_what_a_command_line_needs_imports_nothing_heavy(module: str) -> None:
    """`list`, `--help` and bad input answer at once: torch, ray and optuna take seconds."""
    heavy = {"torch", "torchvision", "ray", "optuna", "scipy", "sklearn", "ffcv", "matplotlib"}
    source = IMPORTED.format(module=module, heavy=sorted(heavy))
    out = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.split() == []


ANSWERED = """
import sys
from orchestrator.cli.main import main
main({arguments!r})
import orchestrator.worker.baselines, orchestrator.execution.searcher, orchestrator.sweeps.run
import orchestrator.worker.trainable
import orchestrator.execution.callback
print("torch._C" in sys.modules, "sklearn" in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "unlearners"],
        ["sweep", "--unlearners", "finetun"],
        ["run", "--task", "digits-class:1", "--unlearner", "finetune", "--set", "lr=-7"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_driver_reads_the_unlearners_without_torch(arguments: list[str]) -> None:
    """Torch and scikit-learn take seconds, and it is the workers that compute."""
    source = ANSWERED.format(arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == "False False"


def test_the_driver_of_a_sweep_gets_by_without_torch(storage: Path) -> None:
    """From its settings to its front: half a gigabyte, and seconds before the first trial."""
    trial = ["--task", "digits-class:1", "--unlearners", "ssd", "--trials", "1", *FEWER]
    source = ANSWERED.format(arguments=["sweep", *trial, "--storage", str(storage)])
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "1/1 trials" in done.stdout
    assert "False False" in done.stderr.splitlines()
