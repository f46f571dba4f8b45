#!/bin/bash
# A sweep on SLURM: sbatch --nodes=2 --cpus-per-task=8 --gpus-per-node=4 clusters/slurm.sh --name first --task …
# What follows the file's name are flags of `orchestrator sweep`. From the repository's root; see docs/slurm.md.
#SBATCH --job-name=unlearning-sweep
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
# The last line lets the sweep end two minutes before the time limit; the same command, or a requeue, continues it.
#
# `ray symmetric-run` is shorter, but it ends by `ray stop`, which also ends what other jobs of yours run on the
# node, and it refuses a node on which another Ray runs. SLURM itself ends the steps of this job, and no other.
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
export PATH="$PWD/.venv/bin:$PATH"

# One token for each job: whoever reaches a port of Ray could run commands as you. The nodes get it from here.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
HEAD_IP=${HEAD_IP:-$(hostname -I | cut -d' ' -f1)}
export RAY_ADDRESS=$HEAD_IP:$((20000 + SLURM_JOB_ID % 10000))
RAY_FOLDER=/tmp/ray-$SLURM_JOB_ID # on each node; two jobs on one node must not share it

start_node() { # runs on each node until SLURM ends it
    local common=(--block --disable-usage-stats "--num-cpus=${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}")
    common+=(--object-store-memory=200000000) # rows are small, and /dev/shm may be
    if [ "$SLURM_NODEID" = 0 ]; then
        exec ray start --head "--node-ip-address=$HEAD_IP" "--port=${RAY_ADDRESS##*:}" \
            --include-dashboard=false "--temp-dir=$RAY_FOLDER" "${common[@]}"
    else
        until ray health-check --address "$RAY_ADDRESS" 2>/dev/null; do sleep 1; done
        exec ray start "--address=$RAY_ADDRESS" "${common[@]}"
    fi
}
export -f start_node
export HEAD_IP RAY_FOLDER
srun --overlap ${SLURM_CPUS_PER_TASK:+"--cpus-per-task=$SLURM_CPUS_PER_TASK"} bash -c start_node &
nodes=$!

# The sweep starts with the nodes that are there, hence waits for all of them.
timeout 300 python - <<END
import ray, time
from orchestrator.cluster.answer import check_answer
check_answer("auto", patience=280)  # within the timeout above
ray.init("auto", log_to_driver=False)
while sum(node["Alive"] for node in ray.nodes()) < $SLURM_JOB_NUM_NODES:
    time.sleep(0.5)
END

python -m orchestrator sweep --address auto "$@" &
sweep=$!
trap 'kill -TERM $sweep' TERM
code=0
wait $sweep || code=$?
if [ $code -gt 128 ]; then # the signal ended the waiting, not the sweep
    code=0
    wait $sweep || code=$?
fi
kill $nodes 2>/dev/null || true
wait $nodes 2>/dev/null || true
srun --overlap rm -rf "$RAY_FOLDER" || true
exit $code
