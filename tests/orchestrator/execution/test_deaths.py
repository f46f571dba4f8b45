"""Why a trial was given up: by its own deaths, whatever else dies meanwhile."""

from __future__ import annotations

from ray.exceptions import RayActorError, RuntimeEnvSetupError

from orchestrator.execution.ray_patches import node_of
from orchestrator.execution.worker_deaths import Deaths
from orchestrator.worker.call import fold


def died(deaths: Deaths, trial_id: str, exception: Exception) -> None:
    """As Tune learns it."""
    deaths.is_last({"trial_id": trial_id}, deaths.judged(exception))


def test_each_trial_is_given_up_for_its_own_last_death():
    deaths = Deaths(node_of)
    died(deaths, "a", RayActorError(error_msg="a was too large"))
    died(deaths, "b", RayActorError(error_msg="b was killed"))
    assert deaths.why_given_up("a").endswith("at last: a was too large")
    assert deaths.why_given_up("b").endswith("at last: b was killed")


def test_a_call_of_several_trials_is_given_up_at_once_and_another_call_after_its_limit():
    deaths = Deaths(node_of)
    death = RayActorError(error_msg="it was killed")
    assert deaths.is_last(fold([{"trial_id": "a"}, {"trial_id": "b"}]), deaths.judged(death))
    assert not deaths.is_last(fold([{"trial_id": "a"}]), deaths.judged(death))


def test_a_worker_that_never_came_to_be_has_its_reason_too():
    deaths = Deaths(node_of)
    died(deaths, "a", RuntimeEnvSetupError("no room for the code"))
    assert "no room for the code" in deaths.why_given_up("a")
