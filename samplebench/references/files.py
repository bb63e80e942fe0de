"""Files of reference statistics: our own, and the forms in which others released theirs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.errors import InputError
from samplebench.files.archives import Arrays, Stored, Unreadable
from samplebench.files.sealed import facts_of
from samplebench.metrics.moments import Moments
from samplebench.references.pickled import gaussian, held, is_pickle

# Whatever was released without saying so was made with Inception's pooled features.
FEATURES = "inception"
# Features of an image, of the extractors whose statistics others have released.
DIMS = {FEATURES: 2048, "inception-spatial": 2023, "dinov2": 1024}
# Names of mean and covariance: of the first FID code, EDM, OpenAI; of pytorch-fid; spelled out.
_POOLED = (("mu", "sigma"), ("m", "s"), ("mean", "cov"))
# Of all pairs of names: whose features they are of. The last one is OpenAI's, for sFID.
_PAIRS = {**dict.fromkeys(_POOLED, FEATURES), ("mu_s", "sigma_s"): "inception-spatial"}
_IMAGES = ("arr_0", "images")
# Ours and score-SDE's name of the features themselves.
_KEPT, _ACTIVATIONS = "features", "pool_3"
# EDM2's names of the metrics on an extractor's features.
_METRICS = {FEATURES: "fid", "dinov2": "fd_dinov2"}
# Rows of activations that are in memory as float64 at a time.
_ROWS = 4096


@dataclass(frozen=True)
class Statistics:
    """What a file holds.

    Attributes:
        mean, cov: float64 [D] and [D, D], covariance with divisor N - 1.
        num_images: how many images they were made of; None where the file does not say.
        extractor: name of the extractor.
        weights_sha256: of the extractor's weights; "" where the file does not say.
        made_from: in words.
        rows: gives the features themselves [M, D], mapped from the file where it has them as they
            are; None where they are not kept. Raises `Unreadable` where they are damaged.
        imaged: whether the file holds images, too.
        holds: the extractors whose statistics the file holds, this one among them.
    """

    mean: np.ndarray
    cov: np.ndarray
    num_images: int | None
    extractor: str
    weights_sha256: str
    made_from: str
    rows: Callable[[], np.ndarray] | None = None
    imaged: bool = False
    holds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.holds:
            object.__setattr__(self, "holds", (self.extractor,))


def read(path: Path, extractor: str = "") -> Statistics:
    """Reads a file of one of five forms; no array is read before its shape is known to fit.

    * ours: mu, sigma and facts, and features [N, D] where they were kept;
    * mean and covariance, as mu and sigma (EDM, the first FID code), m and s or mean and cov;
    * OpenAI's VIRTUAL_*: mu, sigma over the whole training set, and mu_s, sigma_s of sFID's
      features, beside arr_0, 10,000 of its images, which say nothing about them and are not read;
    * score-SDE's and gDDIM's: pool_3, the features themselves [N, 2048];
    * EDM2's pickle of plain data: of each metric's features mu and sigma.

    Args:
        path: of the file.
        extractor: whose statistics are taken where the file holds them; else the first it holds.

    Raises:
        InputError: it is none of these, or its numbers are no mean and covariance.
    """
    try:
        if is_pickle(path):
            return _checked(_of_edm2(path, extractor))
        return _checked(_read(Arrays(path), extractor))
    except Unreadable as error:
        images = _images(path)
        make = f"make one with 'samplebench reference make --images {path if images else 'PATH'}'"
        raise InputError(
            f"{path} is not a reference of samplebench or a released one ({images or error}); "
            f"{make}"
        ) from None


def holds_statistics(path: Path) -> bool:
    """Whether a file says by its arrays' names that it is meant to be statistics."""
    try:
        keys = set(Arrays(path).keys)
    except (Unreadable, InputError):
        return False
    return _ACTIVATIONS in keys or any(set(pair) <= keys for pair in _PAIRS)


def beside_images(path: Path) -> tuple[str, ...]:
    """That a file whose images are taken holds statistics, too, a line; nothing of others."""
    if not holds_statistics(path):
        return ()
    return (
        f"{path} also holds statistics, often of more images than it contains; --reference "
        f"{path} uses those",
    )


def _read(arrays: Arrays, extractor: str) -> Statistics:
    keys = set(arrays.keys)
    pairs = {whose: pair for pair, whose in reversed(_PAIRS.items()) if set(pair) <= keys}
    if "facts" in keys and pairs.get(FEATURES) == _POOLED[0]:
        mean, cov = _gaussian(arrays, _POOLED[0])
        facts = _facts(arrays["facts"])
        rows = _kept(arrays, (facts["num_images"], len(mean)))
        return Statistics(mean, cov, **facts, rows=rows)
    if pairs:
        holds = tuple(name for name in DIMS if name in pairs)
        whose = extractor if extractor in pairs else holds[0]
        pair, dim = pairs[whose], DIMS[whose]
        if arrays[pair[0]].shape != (dim,):
            shape = list(arrays[pair[0]].shape)
            raise Unreadable(f"without facts, {pair[0]} has {dim} numbers, not the shape {shape}")
        mean, cov = (_floats(array) for array in _gaussian(arrays, pair))
        return _released(mean, cov, None, whose, holds, imaged=_imaged(arrays))
    if _ACTIVATIONS in keys:
        return _of_activations(arrays[_ACTIVATIONS])
    if not keys:
        torch = any(name.endswith("data.pkl") for name in arrays.others)
        kind = "a file of torch.save" if torch else "a zip archive without arrays"
        raise Unreadable(f"it is {kind}, not an .npz with mu and sigma")
    if keys == {""}:
        raise Unreadable(f"it is a bare array, {arrays[''].text}, not mu and sigma in an .npz")
    wanted = "; or ".join(" and ".join(pair) for pair in (*_POOLED, (_ACTIVATIONS,)))
    raise Unreadable(f"it holds {arrays.named()}; needed are {wanted}")


def _gaussian(arrays: Arrays, pair: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance as they are stored; their shapes are known to fit before either is."""
    mean, cov = (arrays[key] for key in pair)
    if mean.ndim != 1 or not mean.shape[0] or cov.shape != 2 * mean.shape:
        raise Unreadable(
            f"{pair[0]} of shape {list(mean.shape)}, {pair[1]} of {list(cov.shape)}; [D] and "
            "[D, D] are needed"
        )
    if any(array.dtype.kind not in "fiu" for array in (mean, cov)):
        raise Unreadable(f"its numbers are {mean.dtype} and {cov.dtype}, not floating-point ones")
    return mean.whole(), cov.whole()


def _kept(arrays: Arrays, shape: tuple[int, int]) -> Callable[[], np.ndarray] | None:
    """What reads the features that one of our own files keeps."""
    if _KEPT not in arrays.keys:
        return None
    stored = arrays[_KEPT]
    if stored.shape != shape or stored.dtype.kind != "f":
        raise Unreadable(f"its {_KEPT} are {stored.text}, not floating-point {list(shape)}")
    return stored.mapped


def _facts(stored: Stored) -> dict[str, Any]:
    """What our own files say of themselves."""
    facts = facts_of(stored)
    kinds = {"num_images": int, "extractor": str, "weights_sha256": str, "made_from": str}
    if not isinstance(facts, dict) or facts.keys() != kinds.keys():
        raise Unreadable(f"its facts are not {', '.join(kinds)}")
    for key, kind in kinds.items():
        if type(facts[key]) is not kind:
            raise Unreadable(f"its fact {key} is not of type {kind.__name__}")
    if not 1 < facts["num_images"] < 1 << 53:
        raise Unreadable("its fact num_images is not a number of images")
    return facts


def _released(
    mean: np.ndarray,
    cov: np.ndarray,
    num_images: int | None,
    extractor: str = FEATURES,
    holds: tuple[str, ...] = (),
    imaged: bool = False,
) -> Statistics:
    mean, cov = mean.astype(np.float64), cov.astype(np.float64)
    said = "statistics as released"
    return Statistics(mean, cov, num_images, extractor, "", said, imaged=imaged, holds=holds)


def _of_activations(stored: Stored) -> Statistics:
    dim = DIMS[FEATURES]
    if stored.ndim != 2 or stored.shape[0] < 2:
        raise Unreadable(f"pool_3 is [N, {dim}], not of shape {list(stored.shape)}")
    if stored.shape[1] != dim:
        raise Unreadable(f"without facts, mu has {dim} numbers, pool_3 {stored.shape[1]:,}")
    stored.refuse_bomb()
    moments = Moments.zeros(dim)
    for rows in stored.pieces(_ROWS):
        moments.add(_floats(rows))
    return replace(_released(moments.mean, moments.cov, moments.count), rows=stored.mapped)


def _of_edm2(path: Path, extractor: str) -> Statistics:
    named = held(path)
    holds = tuple(name for name, metric in _METRICS.items() if metric in named)
    whose = extractor if extractor in holds else next(iter(holds), FEATURES)
    num_images, mean, cov = gaussian(path, _METRICS[whose])
    if mean.shape != (dim := DIMS[whose],):
        raise Unreadable(f"without facts, mu has {dim} numbers, not the shape {list(mean.shape)}")
    return _released(mean, cov, num_images, whose, holds)


def _floats(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f":
        raise Unreadable(f"its numbers are {array.dtype}, not floating-point ones")
    return array


def _images(path: Path) -> str:
    """What is said of a file of images in the place of a reference; "" where it is none."""
    try:
        arrays = Arrays(path)
        key = next((key for key in (*_IMAGES, "") if key in arrays.keys), None)
        if key is None or {"mu", "sigma", _ACTIVATIONS} & set(arrays.keys):
            return ""
        found = arrays[key]
    except (Unreadable, InputError):
        return ""
    if found.dtype != np.uint8 or found.ndim not in (3, 4):
        return ""
    name = f"{key}, " if key else ""
    return f"it holds images, {name}{found.text}, not their statistics mu and sigma or pool_3"


def _imaged(arrays: Arrays) -> bool:
    """Whether one of the arrays is images; one that cannot be read is none."""
    for key in _IMAGES:
        with suppress(Unreadable):
            if key in arrays.keys and arrays[key].ndim == 4 and arrays[key].dtype == np.uint8:
                return True
    return False


def _checked(found: Statistics) -> Statistics:
    """Statistics whose arrays are a mean and a covariance, in float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, cov = found.mean.astype(np.float64), found.cov.astype(np.float64)
        variances = cov.diagonal()
        # Features that hardly vary have variances that are the rounding errors of their squares.
        tolerance = 1e-6 * (np.abs(variances).max() + np.square(mean).max())
        if not (np.isfinite(mean).all() and np.isfinite(cov).all() and np.isfinite(tolerance)):
            raise Unreadable("its numbers are not all finite, or their squares")
        if variances.min() < -tolerance or np.abs(cov - cov.T).max() > tolerance:
            raise Unreadable("its sigma is not a covariance")
    # All cells of a sweep share them, and a metric of others may write on what it gets.
    mean.flags.writeable = cov.flags.writeable = False
    return replace(found, mean=mean, cov=cov)
