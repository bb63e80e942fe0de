"""A batch that does not fit is halved until it does; the result is the same."""

from __future__ import annotations

import pytest
import torch

from samplebench.errors import EnvironmentError_
from samplebench.models.bound import Bound
from samplebench.models.chunks import Chunks


class Small:
    """D(x; sigma) = x / (1 + sigma) + label, on a device that holds `room` images."""

    def __init__(self, room):
        self.room, self.seen, self.chunks = room, [], Chunks()

    def __call__(self, x, sigma, labels=None):
        self.seen.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        shape = (-1, *[1] * (x.ndim - 1))
        shift = 0 if labels is None else labels.reshape(shape)
        return x / (1 + sigma.reshape(shape)) + shift


X = torch.arange(24.0).reshape(12, 2)


@pytest.mark.parametrize("sigma", [torch.tensor(2.0), torch.arange(12.0)])
@pytest.mark.parametrize("labels", [None, torch.arange(12) % 10])
def test_the_result_is_that_of_the_whole_batch(sigma, labels):
    whole = Bound(Small(12), labels, len(X))(X, sigma)
    model = Small(5)
    bound = Bound(model, labels, len(X), foreign=False)
    assert torch.equal(bound(X, sigma), whole)
    assert model.seen == [12, 6, 3, 3, 3, 3] and model.chunks.size == 3
    # It does not try the larger one again, and pieces are no evaluations of their own.
    Bound(model, labels, len(X), foreign=False)(X, sigma)
    assert model.seen[6:] == [3, 3, 3, 3]
    assert bound.nfe == 1


def test_what_fits_is_not_cut():
    model = Small(12)
    Bound(model, None, len(X))(X, 2.0)
    assert model.seen == [12] and model.chunks.size is None


def test_pairs_are_joined_part_by_part():
    chunks, whole = Chunks(), (X, None)
    chunks.size = 5
    first, second = chunks.ask(lambda x: (x, None), X)
    assert torch.equal(first, whole[0]) and second is None
    assert torch.equal(chunks.ask(lambda x: (x, 2 * x), X)[1], 2 * X)


def test_one_image_that_does_not_fit():
    model = Small(0)
    with pytest.raises(EnvironmentError_, match="out of memory on cpu with a single image"):
        Bound(model, None, len(X), foreign=False)(X, 2.0)
