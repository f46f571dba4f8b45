"""What `ray up cluster.yaml` would ask AWS for: Ray's own bootstrap and node provider, against moto."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from program import ROOT

boto3 = pytest.importorskip("boto3", reason="needs boto3 (extra: dev)")
moto = pytest.importorskip("moto", reason="needs moto (extra: dev)")

CLUSTER = ROOT / "cluster.yaml"
STACK = ROOT / "clusters/aws-stack.yaml"
WORKERS = ("gpu_l4", "gpu_a10g", "gpu_t4")
REGION = "us-east-1"

Request = dict[str, Any]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An account with the default network and clusters/aws-stack.yaml, and none of this machine's keys."""
    from ray.autoscaler._private.aws import utils

    ours = {"HOME": str(tmp_path_factory.mktemp("home")), "AWS_DEFAULT_REGION": REGION}
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "testing")
    with pytest.MonkeyPatch.context() as environment, moto.mock_aws():
        for name, value in (ours | keys).items():
            environment.setenv(name, value)
        utils.resource_cache.cache_clear()
        utils.client_cache.cache_clear()
        boto3.client("cloudformation").create_stack(
            StackName="unlearning-sweeps",
            TemplateBody=STACK.read_text(),
            Parameters=[{"ParameterKey": "Bucket", "ParameterValue": "sweeps"}],
        )
        yield
    utils.resource_cache.cache_clear()
    utils.client_cache.cache_clear()


@pytest.fixture(scope="module")
def config(aws: None) -> dict[str, Any]:
    """cluster.yaml after Ray has checked it, filled it in, and prepared the account for it."""
    from ray.autoscaler._private.commands import _bootstrap_config

    return _bootstrap_config(yaml.safe_load(CLUSTER.read_text()), no_config_cache=True)


def launched(config: dict[str, Any], node_type: str, count: int = 1) -> list[Request]:
    """The parameters of each RunInstances that Ray sends to launch nodes of a type."""
    from ray.autoscaler._private.providers import _get_node_provider
    from ray.autoscaler.tags import (
        TAG_RAY_LAUNCH_CONFIG,
        TAG_RAY_NODE_KIND,
        TAG_RAY_USER_NODE_TYPE,
    )

    provider = _get_node_provider(config["provider"], config["cluster_name"], use_cache=False)
    requests: list[Request] = []

    def note(params: Request, **_: Any) -> None:
        requests.append(dict(params))

    provider.ec2_fail_fast.meta.client.meta.events.register(
        "provide-client-params.ec2.RunInstances", note
    )
    kind = "head" if node_type == config["head_node_type"] else "worker"
    tags = {
        TAG_RAY_NODE_KIND: kind,
        TAG_RAY_USER_NODE_TYPE: node_type,
        TAG_RAY_LAUNCH_CONFIG: "test",
    }
    extra = config["head_node"] if kind == "head" else {}
    node_config = extra | config["available_node_types"][node_type]["node_config"]
    provider.create_node(node_config, tags, count)
    return requests


def zones_of(subnets: list[str]) -> list[str]:
    described = boto3.client("ec2").describe_subnets(SubnetIds=subnets)["Subnets"]
    zone = {s["SubnetId"]: s["AvailabilityZone"] for s in described}
    return [zone[subnet] for subnet in subnets]


def test_the_head_is_on_demand_and_holds_no_trial(config):
    (request,) = launched(config, "head")
    assert request["InstanceType"] == "m6i.xlarge"
    assert "InstanceMarketOptions" not in request
    assert request["IamInstanceProfile"] == {"Name": "unlearning-sweeps-head"}
    assert config["available_node_types"]["head"]["resources"]["CPU"] == 0
    assert config["available_node_types"]["head"]["resources"].get("GPU", 0) == 0


@pytest.mark.parametrize("node_type", WORKERS)
def test_a_worker_is_a_spot_instance_with_a_gpu(config, node_type):
    (request,) = launched(config, node_type, count=3)
    assert request["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert (request["MinCount"], request["MaxCount"]) == (1, 3)
    assert request["IamInstanceProfile"] == {"Name": "unlearning-sweeps-worker"}
    found = boto3.client("ec2").describe_instance_types(InstanceTypes=[request["InstanceType"]])
    (described,) = found["InstanceTypes"]
    declared = config["available_node_types"][node_type]["resources"]
    assert described["GpuInfo"]["Gpus"][0]["Count"] == declared["GPU"] == 1
    assert described["VCpuInfo"]["DefaultVCpus"] == declared["CPU"]


def test_workers_are_of_several_types_none_at_first_and_at_most_eight(config):
    types = config["available_node_types"]
    assert set(types) == {"head", *WORKERS}
    assert len({types[name]["node_config"]["InstanceType"] for name in WORKERS}) == len(WORKERS)
    assert {types[name]["min_workers"] for name in WORKERS} == {0}
    assert config["max_workers"] == max(types[name]["max_workers"] for name in WORKERS) == 8
    assert config["idle_timeout_minutes"] == 10
    assert config["provider"]["cache_stopped_nodes"] is False


def test_every_node_has_the_same_image_and_disk(config):
    requests = [launched(config, name)[0] for name in ("head", *WORKERS)]
    (image,) = {r["ImageId"] for r in requests}
    assert image.startswith("resolve:ssm:/aws/service/deeplearning/ami/")
    assert {r["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] for r in requests} == {120}


def test_a_zone_without_capacity_is_passed_over(config):
    from botocore.exceptions import ClientError
    from ray.autoscaler._private.providers import _get_node_provider

    provider = _get_node_provider(config["provider"], config["cluster_name"])
    full = config["available_node_types"]["gpu_l4"]["node_config"]["SubnetIds"][0]

    def refuse(params: Request, **_: Any) -> None:
        if params["SubnetId"] == full:
            error = {"Code": "InsufficientInstanceCapacity", "Message": "none left"}
            raise ClientError({"Error": error}, "RunInstances")

    events = provider.ec2_fail_fast.meta.client.meta.events
    events.register_last("provide-client-params.ec2.RunInstances", refuse)
    try:
        requests = launched(config, "gpu_l4")
    finally:
        events.unregister("provide-client-params.ec2.RunInstances", refuse)
    zones = zones_of([r["SubnetId"] for r in requests])
    assert zones == ["us-east-1a", "us-east-1b"]
    assert zones_of(config["available_node_types"]["gpu_l4"]["node_config"]["SubnetIds"]) == [
        "us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d",
    ]  # fmt: skip


def grown(config: dict[str, Any], trials: int, **availability: float) -> dict[str, int]:
    """The workers that Ray's scheduler launches for so many trials of a quarter GPU that wait."""
    from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
    from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
    from ray.autoscaler.v2.utils import ResourceRequestUtil

    autoscaling = AutoscalingConfig(config, skip_content_hash=True)
    trial = ResourceRequestUtil.make({"CPU": 1, "GPU": 0.25})
    request = SchedulingRequest(
        disable_launch_config_check=True,
        node_type_configs=autoscaling.get_node_type_configs(),
        max_num_nodes=autoscaling.get_max_num_nodes() - 1,  # the head is one of them
        resource_requests=ResourceRequestUtil.group_by_count([trial] * trials),
        cloud_resource_availabilities=availability,
    )
    reply = ResourceDemandScheduler(event_logger=None).schedule(request)
    return {launch.instance_type: launch.count for launch in reply.to_launch}


def test_the_cluster_grows_with_the_trials_that_wait_and_not_beyond(config):
    assert sum(grown(config, 1).values()) == 1
    assert sum(grown(config, 32).values()) == 8
    assert sum(grown(config, 1000).values()) == 8
    assert set(grown(config, 1000)) <= set(WORKERS)


def test_a_type_that_aws_has_none_of_is_replaced_by_another(config):
    (first,) = grown(config, 4)
    others = grown(config, 4, **{first: 0.0})
    assert first not in others
    assert sum(others.values()) == 1


def test_nothing_but_ssh_comes_in_from_outside(config):
    requests = [launched(config, name)[0] for name in ("head", *WORKERS)]
    (group,) = {g for r in requests for g in r["SecurityGroupIds"]}
    (described,) = boto3.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    rules = described["IpPermissions"]
    from_outside = [r for r in rules if r.get("IpRanges") or r.get("Ipv6Ranges")]
    opened = [(r["IpProtocol"], r["FromPort"], r["ToPort"]) for r in from_outside]
    assert opened == [("tcp", 22, 22)]
    inside = [p["GroupId"] for r in rules for p in r["UserIdGroupPairs"]]
    assert set(inside) == {group}


def test_the_stack_has_the_bucket_and_the_profiles_that_the_nodes_name(aws):
    iam, s3 = boto3.client("iam"), boto3.client("s3")
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["sweeps"]
    for role in ("head", "worker"):
        profile = iam.get_instance_profile(InstanceProfileName=f"unlearning-sweeps-{role}")
        (attached,) = profile["InstanceProfile"]["Roles"]
        assert attached["RoleName"] == f"unlearning-sweeps-{role}"
    assert iam.list_role_policies(RoleName="unlearning-sweeps-worker")["PolicyNames"] == []
    assert iam.list_role_policies(RoleName="unlearning-sweeps-head")["PolicyNames"] == [
        "launch-workers"
    ]
