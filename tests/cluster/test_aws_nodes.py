"""What cluster.yaml has every node on AWS install and start: read from the file as it stands."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from program import ROOT

TEXT = (ROOT / "cluster.yaml").read_text()
CONFIG: dict[str, Any] = yaml.safe_load(TEXT)
STARTS = ("head_start_ray_commands", "worker_start_ray_commands")


def started(commands: str) -> str:
    """The one command that starts Ray."""
    (command,) = (c for c in CONFIG[commands] if "ray start" in c)
    return str(command)


def test_every_node_installs_the_lock_file_with_one_ray():
    assert {"head_setup_commands", "worker_setup_commands"}.isdisjoint(CONFIG), (
        "not the same on all"
    )
    assert any(
        re.search(r"cd ~/unlearning-sweeps && make setup$", c) for c in CONFIG["setup_commands"]
    )
    assert not any("pip install" in c for c in CONFIG["setup_commands"])
    mounts = CONFIG["file_mounts"]
    for lock in ("requirements.lock", "requirements-uv.lock", "requirements-ffcv.lock"):
        assert mounts[f"~/unlearning-sweeps/{lock}"] == lock
        assert "--hash=sha256:" in (ROOT / lock).read_text()
    pinned = re.findall(
        r"^ray(?:\[[^\]]*\])?==(\S+)", (ROOT / "requirements.lock").read_text(), re.M
    )
    assert len(pinned) == 1


@pytest.mark.parametrize("commands", STARTS)
def test_ray_asks_for_the_token_on_both_kinds_of_node(commands):
    assert re.search(r"\bRAY_AUTH_MODE=token\b[^;&]*\bray start\b", started(commands))


def test_the_token_is_copied_to_every_node_and_readable_by_its_user_alone():
    assert CONFIG["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "chmod 600 ~/.ray/auth_token" in CONFIG["setup_commands"]


def test_the_dashboard_listens_on_loopback_and_the_bucket_reaches_the_driver():
    head = started(STARTS[0])
    assert "--dashboard-host=127.0.0.1 " in head
    assert "ORCHESTRATOR_STORAGE=s3://" in head
    assert "--dashboard-host" not in started(STARTS[1])


def test_nothing_in_the_file_is_secret():
    """Nor could be: no key of AWS, no private key, no value where a token or a password would stand."""
    assert not re.search(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|BEGIN [A-Z ]*PRIVATE KEY", TEXT)
    assert not re.search(r"(?i)(secret|password|RAY_AUTH_TOKEN|access_key)\w*\s*[:=]", TEXT)
    assert "ssh_private_key" not in CONFIG["auth"], "Ray makes a key pair of its own"
