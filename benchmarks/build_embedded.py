"""Builds `samplebench/embedded/digits.npz` from the copy of the UCI digits in scikit-learn, and the
list of those on which no embedded model is trained.

Needs scikit-learn (`pip install "samplebench[embed]"`) and no network. The files have the same
bytes on every run.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

OUT = Path(__file__).resolve().parents[1] / "samplebench" / "embedded" / "digits.npz"

ATTRIBUTION = (
    '"Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, '
    "UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49, licensed under "
    "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/). Changes: the 1,797 images that "
    "scikit-learn ships, grey levels v in 0..16 stretched to 0..255 by round(v * 255 / 16), "
    "stored as uint8 [N, 1, 8, 8]."
)

HELD_OUT_PER_CLASS = 36
_SEED = 1797


def build() -> dict[str, np.ndarray]:
    """The arrays of the file.

    Returns:
        `images` uint8 [1797, 1, 8, 8] in 0..255, `labels` uint8 [1797] in 0..9, and `attribution`,
        a 0-d array that holds one string.

    Raises:
        ValueError: scikit-learn's data are not 1,797 images with grey levels 0..16.
    """
    digits = load_digits()
    levels = digits.images
    if levels.shape != (1797, 8, 8) or not np.array_equal(np.unique(levels), np.arange(17)):
        raise ValueError("scikit-learn's digits are not 1,797 images of 8x8 with levels 0..16")
    images = np.rint(levels * 255 / 16).astype(np.uint8)[:, None]
    labels = digits.target.astype(np.uint8)
    return {"images": images, "labels": labels, "attribution": np.array(ATTRIBUTION)}


def held_out(labels: np.ndarray) -> np.ndarray:
    """Indices of 36 images of every class, drawn once by torch's generator of the CPU: int64, in
    increasing order."""
    classes = torch.from_numpy(labels.astype(np.int64))
    order = torch.randperm(len(classes), generator=torch.Generator().manual_seed(_SEED))
    each = [order[classes[order] == c][:HELD_OUT_PER_CLASS] for c in range(10)]
    return torch.cat(each).sort().values.numpy()


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes an .npz whose bytes depend on the arrays alone."""
    # np.savez stamps the time of writing, and deflate's bytes depend on the zlib at hand.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, buffer.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Build the embedded UCI digits from scikit-learn's copy.",
        epilog="example: python benchmarks/build_embedded.py --out samplebench/embedded/digits.npz",
    )
    parser.add_argument("--out", type=Path, default=OUT, help="file to write (default: in place)")
    args = parser.parse_args()
    arrays = build()
    write_npz(args.out, arrays)
    beside = args.out.with_name("digits-held-out.npy")
    np.save(beside, held_out(arrays["labels"]).astype(np.uint16))
    for path in (args.out, beside):
        print(f"wrote {path} ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
