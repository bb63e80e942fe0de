"""A batch that does not fit is halved until it does; the result is the same."""

from __future__ import annotations

import pytest
import torch

from samplebench.errors import EnvironmentError_
from samplebench.models.chunked import Chunked


class Small:
    """D(x; sigma) = x / (1 + sigma) + label, on a device that holds `room` images."""

    device = torch.device("cpu")
    num_classes = 10

    def __init__(self, room):
        self.room, self.seen = room, []

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
    whole = Small(12)(X, sigma, labels)
    chunked = Chunked(Small(5))
    assert torch.equal(chunked(X, sigma, labels), whole)
    assert chunked._model.seen == [12, 6, 3, 3, 3, 3] and chunked.size == 3
    chunked(X, sigma, labels)
    # It does not try the larger one again.
    assert chunked._model.seen[6:] == [3, 3, 3, 3]


def test_what_fits_is_not_cut():
    chunked = Chunked(Small(12))
    chunked(X, 2.0)
    assert chunked._model.seen == [12] and chunked.size is None
    assert chunked.num_classes == 10


def test_one_image_that_does_not_fit():
    with pytest.raises(EnvironmentError_, match="out of memory on cpu with a single image"):
        Chunked(Small(0))(X, 2.0)
