"""clusters/kuberay-rayjob.yaml against a subset of KubeRay's schema and all of Kubernetes' own."""

from __future__ import annotations

import copy
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from program import ROOT

from orchestrator.cli.main import app

jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema (extra: dev)")
kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="needs kubernetes-validate (extra: dev)"
)

SCHEMA = yaml.safe_load(Path(__file__).with_name("rayjob_schema.yaml").read_text())
MANIFEST = yaml.safe_load((ROOT / "clusters/kuberay-rayjob.yaml").read_text())
CLUSTER = MANIFEST["spec"]["rayClusterSpec"]
GROUPS = [CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]]


def wrong(manifest: dict[str, Any]) -> list[str]:
    """What the schema finds in a manifest."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.message for error in validator.iter_errors(manifest)]


def test_the_manifest_is_a_ray_job():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert wrong(MANIFEST) == []


def broken() -> Iterator[tuple[str, dict[str, Any]]]:
    """Manifests with a mistake each."""
    for name, path, value in (
        ("unknown field", ("spec", "shutdownAfterJobFinish"), True),
        ("unknown mode", ("spec", "submissionMode"), "Job"),
        ("unquoted number", ("spec", "rayClusterSpec", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        ("version that is a number", ("spec", "rayClusterSpec", "rayVersion"), 2.6),
        ("no pods", ("spec", "rayClusterSpec", "headGroupSpec"), {"rayStartParams": {}}),
    ):  # fmt: skip
        manifest = copy.deepcopy(MANIFEST)
        inner = manifest
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        yield name, manifest


@pytest.mark.parametrize(("name", "manifest"), list(broken()), ids=lambda value: str(value)[:30])
def test_a_mistake_in_a_manifest_is_found(name, manifest):
    assert wrong(manifest) != []


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.get("groupName", "head"))
def test_the_pods_are_kubernetes_pods(group):
    template = {"apiVersion": "v1", "kind": "PodTemplate", "template": group["template"]}
    template["metadata"] = {"name": "pod"}
    kubernetes_validate.validate(template, kubernetes_validate.latest_version(), strict=True)
    (container,) = group["template"]["spec"]["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in group["template"]["spec"]["volumes"]}


def test_ray_is_of_the_version_that_is_locked():
    locked = re.search(r"^ray==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked is not None
    assert CLUSTER["rayVersion"] == locked[1]


def test_the_head_holds_no_trial_and_the_dashboard_wants_a_token():
    assert CLUSTER["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert CLUSTER["authOptions"]["mode"] == "token"


def test_the_entrypoint_is_a_sweep_that_goes_on_by_its_name():
    python, unbuffered, module, program, *arguments = shlex.split(MANIFEST["spec"]["entrypoint"])
    assert (python, unbuffered, module, program) == ("python", "-u", "-m", "orchestrator")
    _, bound, _ = app.parse_args(arguments, exit_on_error=False)
    config = bound.arguments["config"].validate()
    assert config.name is not None
    assert config.address == "auto"
    mounts = CLUSTER["headGroupSpec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert config.storage in {mount["mountPath"] for mount in mounts}
    (workers,) = CLUSTER["workerGroupSpecs"]
    assert config.max_concurrent == workers["maxReplicas"] / config.gpus_per_trial
