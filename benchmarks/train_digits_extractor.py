"""Trains the network behind the `digits` extractor on the embedded UCI digits.

Next to the class, the features have to tell how noisy an image is: a classifier alone learns to
ignore noise, and a Frechet distance on its features would hardly see noise that a sampler leaves.

Writes `samplebench/embedded/digits-extractor.safetensors` within a minute on the CPU. The seed
is fixed, but other versions of torch and other processors round differently, so a retrained file is
another extractor and its distances do not compare with those of the shipped one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from samplebench.embedded import load_digits
from samplebench.networks.digits_features import DigitsFeatures

OUT = Path(__file__).resolve().parents[1] / "samplebench/embedded/digits-extractor.safetensors"
HELD_OUT_PER_CLASS = 36
BATCH = 128
PEAK_RATE = 4e-3
DECORRELATION = 0.1
DATA = (
    '"Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine Learning '
    "Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0"
)


def split(labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Indices to train on and held-out ones, the latter with 36 of every class."""
    order = torch.randperm(len(labels), generator=generator)
    held_out = torch.cat([order[labels[order] == c][:HELD_OUT_PER_CLASS] for c in range(10)])
    train = order[~torch.isin(order, held_out)]
    return train, held_out


def augment(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shifts by up to a pixel, contrast within 20 %, Gaussian noise of std in [0, 0.5].

    Args:
        x: images [N, 1, 8, 8] in [-1, 1], -1 being background.
        generator: source of all random numbers.

    Returns:
        Images of the same shape, clipped to [-1, 1] as every image that gets evaluated is, and the
        std of each image's noise [N].
    """
    n = len(x)
    windows = F.pad(x, (1, 1, 1, 1), value=-1.0).unfold(2, 8, 1).unfold(3, 8, 1)
    dy, dx = torch.randint(3, (2, n), generator=generator)
    shifted = windows[torch.arange(n), :, dy, dx]
    contrast = 0.8 + 0.4 * torch.rand(n, 1, 1, 1, generator=generator)
    std = 0.5 * torch.rand(n, 1, 1, 1, generator=generator)
    noise = torch.randn(x.shape, generator=generator)
    return ((shifted + 1) * contrast - 1 + std * noise).clamp(-1, 1), std.flatten()


def redundancy(features: Tensor) -> Tensor:
    """Mean squared correlation between different features of a batch [N, D], in [0, 1]."""
    standard = (features - features.mean(0)) / (features.std(0, correction=0) + 1e-4)
    correlation = standard.T @ standard / len(features)
    off_diagonal = correlation - torch.diag(torch.diag(correlation))
    return off_diagonal.square().sum() / (correlation.numel() - len(correlation))


def train(
    net: DigitsFeatures, images: Tensor, labels: Tensor, epochs: int, generator: torch.Generator
) -> None:
    """Fits `net` in place to tell class and noise level, with few redundant features.

    Args:
        net: the network; its weights change.
        images: [N, 1, 8, 8] in [-1, 1], N at least a batch.
        labels: int64 [N] in 0..9.
        epochs: passes over the images.
        generator: source of the order and the augmentation.
    """
    batches = len(images) // BATCH
    noise_head = nn.Linear(net.feature_dim, 1)
    optimiser = torch.optim.AdamW([*net.parameters(), *noise_head.parameters()], weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, epochs * batches)
    for _ in tqdm(range(epochs), desc="training", unit="epoch"):
        order = torch.randperm(len(images), generator=generator)
        for batch in order[: batches * BATCH].split(BATCH):
            noisy, std = augment(images[batch], generator)
            features = net(noisy)
            class_loss = F.cross_entropy(net.head(features), labels[batch], label_smoothing=0.05)
            # The logarithm makes little noise count; the offset bounds what no noise at all does.
            noise_loss = F.mse_loss(noise_head(features)[:, 0], (std + 0.05).log())
            loss = class_loss + noise_loss + DECORRELATION * redundancy(features)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


@torch.inference_mode()
def accuracy(net: DigitsFeatures, images: Tensor, labels: Tensor) -> float:
    """Share of correctly classified images, in [0, 1]."""
    return (net.logits(images).argmax(1) == labels).double().mean().item()


@torch.inference_mode()
def spectrum(net: DigitsFeatures, images: Tensor) -> np.ndarray:
    """Eigenvalues of the covariance of the features [64], largest first."""
    features = net(images).double().numpy()
    return np.linalg.eigvalsh(np.cov(features, rowvar=False))[::-1]


def to_bytes(net: DigitsFeatures, metadata: dict[str, str]) -> bytes:
    """The safetensors file of the float32 weights, with its metadata in alphabetical order."""
    data = save({k: v.contiguous() for k, v in net.state_dict().items()}, metadata)
    # The library writes metadata in random order; sorted, equal weights give equal files.
    size = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Train the network behind the 'digits' extractor.",
        epilog="example: python benchmarks/train_digits_extractor.py --epochs 200 --seed 0",
    )
    parser.add_argument("--epochs", type=int, default=200, help="default: 200")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write (default: in place)")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    pixels, classes = load_digits()
    images = torch.from_numpy(pixels).float() / 127.5 - 1
    labels = torch.from_numpy(classes)
    fitted, held_out = split(labels, generator)

    net = DigitsFeatures()
    train(net, images[fitted], labels[fitted], args.epochs, generator)

    held_out_accuracy = accuracy(net, images[held_out], labels[held_out])
    noisy = images[held_out] + 0.5 * torch.randn(images[held_out].shape, generator=generator)
    noisy_accuracy = accuracy(net, noisy.clamp(-1, 1), labels[held_out])
    eigenvalues = spectrum(net, images)
    print(f"parameters {sum(p.numel() for p in net.parameters()):,}")
    print(f"accuracy: held out {held_out_accuracy:.4f}, with noise of std 0.5 {noisy_accuracy:.4f}")
    print(f"feature covariance: condition number {eigenvalues[0] / eigenvalues[-1]:.3g}")
    print(f"eigenvalues {np.array2string(eigenvalues, precision=3, max_line_width=100)}")

    metadata = {
        "architecture": "samplebench.networks.digits_features.DigitsFeatures",
        "feature_dim": str(net.feature_dim),
        "script": f"benchmarks/{Path(__file__).name}",
        "held_out_accuracy": f"{held_out_accuracy:.4f}",
        "data": DATA,
    }
    args.out.write_bytes(to_bytes(net, metadata))
    print(f"wrote {args.out} ({args.out.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
