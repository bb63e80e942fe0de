#!/bin/bash
# A sweep shared by the tasks of a SLURM array on one folder that all nodes see:
#
#     sbatch examples/slurm_array.sh
#
# Give the same line again to finish what was cut off: whatever is there is not computed again.
#SBATCH --job-name=samplebench
#SBATCH --array=0-3
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
# Time to finish the block under way, and keep half a cell.
#SBATCH --signal=TERM@120

OUT=${OUT:-$SLURM_SUBMIT_DIR/sweep}
SHARD=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT

# One GPU for each task:
exec srun samplebench run --config sweep.toml --out "$OUT" --shard "$SHARD" --yes

# Several GPUs for each task (--gres=gpu:4 above), in the place of the line before:
# exec srun torchrun --standalone --nproc-per-node 4 --max-restarts 3 \
#     -m samplebench run --config sweep.toml --out "$OUT" --shard "$SHARD" --yes
