"""The workers of a private cluster when their search ends: each is ended at once, and its CPUs are free."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from program import ENVIRONMENT, ROOT

from orchestrator.cluster import connection

SEARCHES = """
import contextlib
import gc
import os
import sys
import time
from pathlib import Path

import psutil
import ray
from ray import tune

from orchestrator.execution.ray_patches import amended, node_of
from orchestrator.execution.time_limit import TimeIsUp
from orchestrator.execution.worker_deaths import Deaths

gc.disable()  # Tune leaves handles of workers in cycles, which it would free sooner or later
TRIALS = 2
place = Path(sys.argv[1])
os.mkfifo(place / "nobody-writes")

class Trial(tune.Trainable):
    def run(self, config):
        return self.train()

    def step(self):
        (place / f"{self.config['trial_id']}-{os.getpid()}").touch()
        while len(list(place.glob(f"{self.config['trial_id']}-*"))) < TRIALS:
            time.sleep(0.01)  # each trial has a worker of its own
        if self.config["waits"]:
            (place / "nobody-writes").read_text()
        return {"done": True}

    def reset_config(self, config):
        return True

    def save_checkpoint(self, folder):
        pass

    def load_checkpoint(self, checkpoint):
        pass

class Budget(tune.Callback):
    def on_step_end(self, **step):
        if len(list(place.glob("waiting-*"))) == TRIALS:
            raise TimeIsUp

def search(began, waits):
    tuner = tune.Tuner(
        tune.with_resources(Trial, {"cpu": 1}),
        param_space={"trial_id": began, "waits": waits},
        tune_config=tune.TuneConfig(num_samples=TRIALS, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(place), callbacks=[Budget()], verbose=0),
    )
    with amended(Deaths(node_of), private=True), contextlib.suppress(TimeIsUp):
        tuner.fit()

@ray.remote(num_cpus=TRIALS, max_calls=1)
def take_all_cpus():
    return "free"

ray.init("local", num_cpus=TRIALS, include_dashboard=False, log_to_driver=False)
for began, waits in (("ended", False), ("waiting", True)):
    search(began, waits)
    for worker in place.glob(f"{began}-*"):
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(int(worker.name.partition("-")[2])).wait(timeout=30)
    print(began, ray.get(take_all_cpus.remote(), timeout=60), flush=True)
"""


def test_a_search_leaves_no_worker_whether_its_trials_have_ended_or_its_time_is_up(
    tmp_path: Path,
) -> None:
    """What comes after it, such as the end of the shadow models, needs a worker's CPUs."""
    done = subprocess.run(
        [sys.executable, "-c", SEARCHES, str(tmp_path)],
        cwd=ROOT,
        env={**ENVIRONMENT, **connection.ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.splitlines() == ["ended free", "waiting free"], done.stderr
