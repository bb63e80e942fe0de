"""Seeds of searches, which nothing that they find is judged on."""

from __future__ import annotations

from samplebench.errors import UsageError

# The first: far from the seeds that anybody samples with. And how many are kept for searches,
# those of `advise` among them.
SEED, RESERVED = 10_000_000, 1024


def check_judging(first: int, count: int) -> None:
    """Refuses judging seeds that are search seeds.

    Args:
        first, count: the judging seeds, one after the other.

    Raises:
        UsageError: some of them are.
    """
    if first < SEED + RESERVED and SEED < first + count:
        last = SEED + RESERVED - 1
        free = "0" if count <= SEED else str(SEED + RESERVED)
        raise UsageError(
            f"--seed {first}: its seeds {first:,} to {first + count - 1:,} overlap those that "
            f"searches use, {SEED:,} to {last:,}; choose another, e.g. {free}"
        )
