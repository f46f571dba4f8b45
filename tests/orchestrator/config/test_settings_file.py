"""Settings from a file: TOML, or the configuration that another sweep has stored; and what the command line reads."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from program import ROOT

import orchestrator
from orchestrator.cli.main import app, main
from orchestrator.cluster.resources import Resources
from orchestrator.config import SweepConfig
from orchestrator.sweeps.folder import store_config
from orchestrator.sweeps.plan import resolve
from tasks.errors import InvalidValue
from tasks.storage.roots import open_root

SETTINGS = """
task = "digits-class:1"
unlearners = ["finetune", "ssd"]
max-concurrent = 2
cpus_per_trial = 1
calibration = true
cost-limit = 2
require = ["relative_cost<=.1"]

[set]
epochs = 5
ssd.selection = "5..20"
finetune.lr = [1e-3, 1e-2]
"""
MEANT = SweepConfig(
    task="digits-class:1",
    unlearners=("finetune", "ssd"),
    max_concurrent=2,
    calibration=True,
    cost_limit=2,
    require=("relative_cost<=.1",),
    set=("epochs=5", "ssd.selection=5..20", "finetune.lr=0.001,0.01"),
)


def bound(*words: str) -> SweepConfig:
    """The configuration that these words of a sweep make."""
    _, found, _ = app.parse_args(["sweep", *words], exit_on_error=False, print_error=False)
    config: SweepConfig = found.arguments["config"]
    return config


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with settings."""
    path = tmp_path / "sweep.toml"
    path.write_text(SETTINGS)
    return path


def test_a_file_gives_what_flags_would(file: Path) -> None:
    assert bound("--config", str(file)) == MEANT
    assert SweepConfig.from_file(file) == MEANT
    assert MEANT.validate().set == MEANT.set


def test_a_flag_goes_before_the_file(file: Path) -> None:
    config = bound(
        "--trials", "3", "--config", str(file), "--set", "epochs=2", "--cost-limit", "1.5"
    )
    assert (config.trials, config.set, config.cost_limit) == (3, ("epochs=2",), 1.5)
    assert config.unlearners == MEANT.unlearners


def test_the_example_of_the_documentation_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "sweeps.md").read_text().partition("```toml\n")[2].partition("```")[0]
    assert tomllib.loads(text)["unlearners"] == ["finetune", "ssd"]
    (tmp_path / "sweep.toml").write_text(text)
    config = SweepConfig.from_file(tmp_path / "sweep.toml")
    assert config.validate().set == ("epochs=5", "ssd.selection=5..20", "finetune.lr=0.001,0.01")


def test_the_configuration_of_a_sweep_can_be_fed_back(tmp_path: Path) -> None:
    decided = resolve(MEANT.validate(), "first", Resources(((4, 0),)), lambda text: None).config
    store_config(decided, open_root(f"{tmp_path}/sweeps/first"))
    stored = tmp_path / "sweeps" / "first" / "config.json"
    again = bound("--config", str(stored))
    assert again == SweepConfig.from_file(stored)
    assert (again.name, again.budgets) == (None, None)
    assert (again.trials, again.references) == (decided.trials, decided.references)
    assert again.validate().list_differences(decided) == []
    named = bound("--config", str(stored), "--name", "second")
    assert named.name == "second"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "trails = 5", "unknown setting in {} 'trails' (did you mean trials?)"),
        ("a.toml", "original_hash = 'x'", "unknown setting in {} 'original-hash'"),
        ("a.toml", "trials = ", "is no TOML"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "is no JSON object"),
        ("a.toml", "trials = 2.5", "--trials 2.5 is not a whole number"),
        ("a.toml", 'trials = "many"', "many"),
        ("a.toml", "trials = [1, 2]", "trials"),
        ("a.toml", 'unlearners = ["finetun"]', "did you mean finetune?"),
        ("a.toml", '[set]\nretian_share = 0.5', "did you mean retain_share?"),
        ("a.json", '{"budgets": {}, "confirms": "s"}', "orchestrator confirm s"),
        ("a.json", '{"budgets": {}, "sampler": "json:loads"}', "names code that is not this program's"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert main(["sweep", "--config", str(path), "--storage", f"{tmp_path}/s", "--seed", "-1"]) == 2
    err = capsys.readouterr().err
    assert said.replace("{}", str(path)) in err
    assert err.count("\n") == 1
    assert not (tmp_path / "s").exists()


def test_a_setting_of_another_type_is_bad_input_from_python(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("trials = 2.5")
    with pytest.raises(InvalidValue, match=r"a\.toml: trials is 2\.5"):
        SweepConfig.from_file(tmp_path / "a.toml")


def test_the_version_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == orchestrator.__version__
    latest = (ROOT / "CHANGELOG.md").read_text().partition("## ")[2].partition(" ")[0]
    assert orchestrator.__version__.startswith(latest)


def test_a_whole_number_may_have_a_point() -> None:
    assert bound("--trials", "3.0").trials == 3
    assert json.loads(SweepConfig(trials=3).to_json())["trials"] == 3
