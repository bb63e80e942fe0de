"""Per-sample streams: what a sample's noise depends on, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samplebench.errors import UsageError
from samplebench.noise.streams import check_seeds, stream

SHAPE = (2, 3, 4)
MODES = pytest.mark.parametrize("mode", ["portable", "nvlabs"])


def draws(mode, seeds, num_classes=0, steps=3, dtype=torch.float64):
    """Latents, labels and the noise of a few steps."""
    noise = stream(mode, seeds, "cpu", dtype)
    latents, labels = noise.start(SHAPE, num_classes)
    return latents, labels, torch.stack([noise(latents) for _ in range(steps)])


@MODES
@pytest.mark.parametrize("num_classes", [0, 10])
def test_a_sample_depends_on_its_seed_alone(mode, num_classes):
    together = draws(mode, range(20), num_classes)
    for seeds in ([7], [19, 7, 3], range(5, 12)):
        latents, labels, steps = draws(mode, seeds, num_classes)
        index = list(seeds)
        assert torch.equal(latents, together[0][index])
        assert torch.equal(steps, together[2][:, index])
        if num_classes:
            assert torch.equal(labels, together[1][index])


@MODES
def test_draws_differ_by_step_and_by_seed(mode):
    latents, _, steps = draws(mode, range(4))
    rows = torch.cat([latents[None], steps]).flatten(2).flatten(0, 1)
    assert len(rows.unique(dim=0)) == 16


@MODES
def test_draws_are_unit_normal(mode):
    latents, _, steps = draws(mode, range(200), steps=4)
    for x in (latents, *steps):
        assert x.shape == (200, *SHAPE)
        # 4800 numbers: five standard errors.
        assert abs(x.mean()) < 5 / 4800**0.5
        assert abs(x.std() - 1) < 5 / (2 * 4800) ** 0.5


@MODES
def test_labels_are_uniform(mode):
    _, labels, _ = draws(mode, range(2000), num_classes=4, steps=1)
    counts = torch.bincount(labels, minlength=4)
    assert labels.dtype == torch.int64 and len(counts) == 4
    # 500 of each, standard deviation 19.
    assert counts.min() > 400 and counts.max() < 600


def test_portable_labels_leave_the_images_noise_alone():
    plain, with_labels = draws("portable", range(6)), draws("portable", range(6), 10)
    assert torch.equal(plain[0], with_labels[0]) and torch.equal(plain[2], with_labels[2])
    assert plain[1] is None


def test_nvlabs_labels_come_between_latents_and_steps():
    plain, with_labels = draws("nvlabs", range(6)), draws("nvlabs", range(6), 10)
    assert torch.equal(plain[0], with_labels[0])
    assert not torch.equal(plain[2], with_labels[2])


def test_nvlabs_order_written_out():
    latents, labels, steps = draws("nvlabs", [5], num_classes=7)
    generator = torch.Generator().manual_seed(5)
    expected = torch.randn(SHAPE, generator=generator)
    assert torch.equal(latents[0], expected.double())
    assert labels[0] == torch.randint(7, size=[], generator=generator)
    for step in steps:
        expected = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
        assert torch.equal(step[0], expected)


def test_nvlabs_seeds_wrap_at_32_bits():
    five, half, whole = (draws("nvlabs", [seed])[0] for seed in (5, 2**31 + 5, 2**32 + 5))
    assert torch.equal(whole, five) and not torch.equal(half, five)


def test_portable_written_out():
    """Philox with key (seed, purpose) and the draw in the third counter word."""
    latents, labels, steps = draws("portable", [2**64 - 1], num_classes=7)

    def philox(purpose, draw):
        key = np.array([2**64 - 1, purpose], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, draw, 0]))

    assert np.array_equal(latents[0], philox(0, 0).standard_normal(SHAPE))
    assert labels[0] == philox(1, 0).integers(7)
    for i, step in enumerate(steps):
        assert np.array_equal(step[0], philox(0, i + 1).standard_normal(SHAPE))


def test_portable_stream_is_pinned():
    """These numbers are part of every published value: a change of them is a change of results."""
    latents, labels, steps = draws("portable", [0, 1, 12345, 2**32], num_classes=10)
    assert latents[:, 0, 0, 0].tolist() == pytest.approx(
        [0.15929546600623282, 1.02028797736073, -0.22588271269700672, 1.1115812419354623], rel=1e-12
    )
    assert labels.tolist() == [9, 2, 9, 6]
    expected = [
        [0.2678125361908778, 1.5939164975199107, 0.059791155759725705, -0.16566731946602029],
        [1.315241713772582, -1.4119748365995617, 0.9845503369044312, -0.1300431477874622],
        [1.3599028324668703, 0.6173919200753295, 0.9832017261661367, 1.3940430900144],
    ]
    assert steps[:, :, -1, -1, -1].numpy() == pytest.approx(np.array(expected), rel=1e-12)


@MODES
def test_noise_takes_dtype_and_shape_of_the_state(mode):
    noise = stream(mode, range(3), "cpu", torch.float32)
    latents, _ = noise.start(SHAPE, 0)
    assert latents.dtype == torch.float32
    drawn = noise(torch.zeros(3, 5, dtype=torch.float64))
    assert drawn.dtype == torch.float64 and drawn.shape == (3, 5)


def test_portable_float32_is_float64_rounded():
    assert torch.equal(
        draws("portable", range(3), dtype=torch.float32)[0],
        draws("portable", range(3))[0].float(),
    )


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([], "no seeds given"),
        ([3, -1], r"seeds must lie in \[0, 2\*\*64\)"),
        ([2**64], r"seeds must lie in \[0, 2\*\*64\)"),
    ],
)
def test_bad_seeds(seeds, message):
    with pytest.raises(UsageError, match=message):
        check_seeds(seeds)


def test_a_seed_that_is_not_whole_is_refused():
    with pytest.raises(UsageError):
        check_seeds([0, 0.5])


def test_unknown_mode():
    with pytest.raises(UsageError, match="unknown noise mode 'portabel'; did you mean 'portable'"):
        stream("portabel", [0], "cpu", torch.float64)
