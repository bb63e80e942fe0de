"""One image file of others: what its header says, and its pixels in 8 bits."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from samplebench.files.archives import Unreadable, one_line
from samplebench.files.atomic import regular
from samplebench.files.beginnings import HEAD, what
from samplebench.image_sets.image_set import MAX_PIXELS

# Raster formats that Pillow decodes by itself; never EPS, which it hands to Ghostscript.
_BY_CONTENT = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF", "QOI", "SUN")
# Formats without a clear beginning are believed only under their own suffix.
_BY_SUFFIX = {
    **dict.fromkeys((".tga", ".icb", ".vda", ".vst"), "TGA"),
    **dict.fromkeys((".sgi", ".rgb", ".rgba", ".bw"), "SGI"),
    ".pcx": "PCX",
    ".dib": "DIB",
}
SUFFIXES = frozenset(_BY_SUFFIX) | frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .mpo .webp .bmp .tif .tiff .gif .ppm .pgm .pbm .pnm .pfm "
    ".avif .qoi .ras".split()
)
_MAGIC = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*|RIFF....WEBP|....ftypavi[fs]|qoif"
    rb"|BM....\0\0\0\0|P[1-6]\s|\x59\xa6\x6a\x95",
    re.DOTALL,
)
_GREY, _COLOUR = ("1", "L", "LA", "La"), ("RGB", "RGBX", "RGBA", "RGBa", "P", "PA", "CMYK", "YCbCr")
_SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
# Pillow drops the lower 8 of 16 bits of these without a word.
_CUT = re.compile(r"(L|LA|La|RGB|RGBX|RGBA|RGBa|CMYK|[RGBACMYK]);16")
# EXIF's orientation -> what turns the picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 274
_PHOTOMETRIC = 262


@dataclass(frozen=True)
class Header:
    """What is known of a picture before it is decoded.

    Attributes:
        channels: 1 or 3.
        height, width: upright.
        done: what is done to make it 8 bits of grey or RGB, in words; "" where nothing is.
    """

    channels: int
    height: int
    width: int
    done: str = ""


def looks_like_one(start: bytes) -> bool:
    """Whether a file that begins so is an image of a kind that is read here."""
    return _MAGIC.match(start) is not None


def header(source: Path | IO[bytes], suffix: str) -> Header:
    """Looks at a picture; only those with an alpha channel are decoded, to see if it is used.

    Raises:
        Unreadable: it is no picture, or one that is no 8 bits of grey or RGB without a choice.
    """
    with _opened(source, suffix) as image:
        _check(image)
        orientation = _orientation(image)
        width, height = image.size
        # Pillow turns TIFFs itself, their size already.
        if orientation > 4 and image.format != "TIFF":
            width, height = height, width
        done = "turned as their EXIF says" if orientation in _TURNS else ""
        if image.mode in _SIXTEEN or image.mode == "I":
            done = "of 16 bits, divided by 257"
        elif image.mode in ("CMYK", "YCbCr"):
            done = f"{image.mode}, converted to RGB without colour profiles"
        channels = 3 if image.mode in _COLOUR and not _grey(image) else 1
        with _mute() if image.format == "TIFF" else nullcontext():
            _without_alpha(image)
            _alone(image)
    return Header(channels, height, width, done)


def pixels(source: Path | IO[bytes], suffix: str) -> np.ndarray:
    """The picture, uint8 [1 or 3, H, W].

    Grey and RGB are taken as they are, black and white become 0 and 255, palettes their colours,
    16 bits of grey are divided by 257, an alpha channel that is opaque everywhere is dropped.

    Raises:
        Unreadable: as `header` does, or it is damaged.
    """
    with _opened(source, suffix) as image:
        _check(image)
        with _mute() if image.format == "TIFF" else nullcontext():
            image.load()
        orientation = 1 if image.format == "TIFF" else _orientation(image)
        grey = _grey(image)
        plain = _without_alpha(image)
        if orientation in _TURNS:
            plain = plain.transpose(_TURNS[orientation])
        if plain.mode in _SIXTEEN or plain.mode == "I":
            deep = np.asarray(plain).astype(np.int64)
            return ((deep + 128) // 257).astype(np.uint8)[None]
        array = np.asarray(plain.convert("L" if grey else "RGB"))
    return array[None] if grey else array.transpose(2, 0, 1)


@contextmanager
def _opened(source: Path | IO[bytes], suffix: str) -> Iterator[Image.Image]:
    """The image, with whatever Pillow raises turned into `Unreadable`."""
    Image.init()
    own = _BY_SUFFIX.get(suffix)
    formats = [name for name in (*_BY_CONTENT, own) if name in Image.OPEN]
    lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with one_line(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd EXIF data, and of sizes that are bounded here
            with regular(source).open("rb") if isinstance(source, Path) else source as file:
                start = file.read(HEAD)
                file.seek(0)
                try:
                    with Image.open(file, formats=formats) as image:
                        yield image
                except UnidentifiedImageError:
                    damaged = "a damaged header, or a variant that Pillow does not know"
                    raise Unreadable(damaged if looks_like_one(start) else what(start)) from None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


@contextmanager
def _mute() -> Iterator[None]:
    """Keeps stderr clear of what libtiff writes there of damaged files, past Python."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _check(image: Image.Image) -> None:
    """Raises `Unreadable` where the pixels are not 8 bits without a choice of ours."""
    width, height = image.size
    if not 0 < width * height <= MAX_PIXELS:
        raise Unreadable(f"{width:,} x {height:,} pixels; up to {MAX_PIXELS:,} are read")
    deep = image.mode in _SIXTEEN
    # Formats whose mode I is 16 bits of grey: older versions of Pillow open PNG so.
    if image.mode == "I" and image.format in ("PNG", "PPM"):
        deep = True
    elif image.mode in ("I", "F"):
        kind = "32-bit or signed integers" if image.mode == "I" else "floating-point numbers"
        raise Unreadable(f"{kind}, with unknown scale: save it with 8 bits")
    if not deep and image.mode not in (*_GREY, *_COLOUR):
        raise Unreadable(f"its mode is {image.mode}: save it as grey or RGB")
    raw = [_raw_mode(tile) for tile in getattr(image, "tile", ())]
    if any(mode == "SGI16" or _CUT.match(mode) for mode in raw):
        raise Unreadable("16 bits per channel, which Pillow cuts to 8: save it with 8 bits")
    if deep and ("transparency" in image.info or "I;12" in raw or _negative(image)):
        raise Unreadable("grey of more than 8 bits in a form of its own: save it with 8 bits")


def _raw_mode(tile: Any) -> str:
    """How a tile of Pillow's is packed, or its codec where that says it."""
    codec, arguments = tile[0], tile[3]
    first = arguments if isinstance(arguments, str) else next(iter(arguments or ()), "")
    return "SGI16" if codec == "SGI16" else str(first)


def _negative(image: Image.Image) -> bool:
    """A 16-bit TIFF in which 0 is white, which Pillow forgets to invert."""
    return image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0  # type: ignore[attr-defined]


def _orientation(image: Image.Image) -> int:
    """EXIF's; 1, upright, where there is none that can be read."""
    # Pillow would decode a PNG to look for what it has not.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF data are damaged in many ways, and the pixels are not
        return 1


def _without_alpha(image: Image.Image) -> Image.Image:
    """The image without an alpha channel, which has to be opaque."""
    palette = image.palette.mode if image.mode == "P" and image.palette else ""
    if not (image.mode in _ALPHA or "transparency" in image.info or palette.endswith("A")):
        return image
    whole = image.convert("RGBA")
    lowest, _ = whole.getchannel("A").getextrema()
    if lowest < 255:  # type: ignore[operator]
        raise Unreadable("transparent pixels with unknown background: save it without alpha")
    return whole.convert("L" if _grey(image) else "RGB")


def _grey(image: Image.Image) -> bool:
    """Whether it is in shades of grey, by its mode or by all colours of its palette."""
    if image.mode != "P":
        return image.mode in _GREY
    colours = np.array(image.getpalette("RGB") or [0, 1, 2]).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _alone(image: Image.Image) -> None:
    """Raises `Unreadable` where the file holds further pictures; afterwards it is of no use."""
    try:
        image.seek(1)
    except EOFError:
        return
    raise Unreadable("several pictures in one file, an animation or pages: save one in each")
