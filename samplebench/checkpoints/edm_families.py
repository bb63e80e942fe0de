"""The two families of network pickles, EDM's and EDM2's: what each one's files hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PickleFamily:
    """What genuine files of a family hold.

    Attributes:
        name: for messages.
        format: of its adapter.
        denoisers: classes that "ema" may have.
        layers: further classes of modules within it.
        aside: classes of what the training loop wrote beside it; of no use here.
        arrays: whether numpy arrays occur, in an encoder of latents.
    """

    name: str
    format: str
    denoisers: tuple[str, ...]
    layers: tuple[str, ...]
    aside: tuple[str, ...]
    arrays: bool = False

    @property
    def modules(self) -> tuple[str, ...]:
        """Classes of modules, the outermost first; none is another family's, too."""
        return (*self.denoisers, *self.layers)


LATENT_ENCODER = "StabilityVAEEncoder"
EDM = PickleFamily(
    "EDM",
    "edm",
    denoisers=("EDMPrecond", "VPPrecond", "VEPrecond", "iDDPMPrecond"),
    layers=(
        *("SongUNet", "DhariwalUNet", "UNetBlock", "Conv2d", "Linear", "GroupNorm"),
        *("PositionalEmbedding", "FourierEmbedding"),
    ),
    aside=("EDMLoss", "VPLoss", "VELoss", "AugmentPipe"),
)
EDM2 = PickleFamily(
    "EDM2",
    "edm2",
    denoisers=("Precond",),
    layers=("UNet", "Block", "MPConv", "MPFourier"),
    aside=("EDM2Loss", "StandardRGBEncoder", LATENT_ENCODER),
    arrays=True,
)

FAMILIES = (EDM, EDM2)
