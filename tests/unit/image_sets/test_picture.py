"""One picture in many dresses: the pixels of its 8 bits, or a refusal that says why."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image

from samplebench.errors import InputError
from samplebench.files.archives import Unreadable
from samplebench.image_sets import read
from samplebench.image_sets.picture import header, pixels

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (8, 9), dtype=np.uint8)
RGB = RNG.integers(0, 256, (8, 9, 3), dtype=np.uint8)
L, C = Image.fromarray(GREY), Image.fromarray(RGB)
DEEP = Image.fromarray(GREY.astype(np.uint16) * 257)
COLOUR = RGB.transpose(2, 0, 1)


def chunk(kind, data):
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(depth, colour, rows, *between, size=None):
    """A PNG of Pillow's unwritten kinds; `rows` is [H, W] or [H, W, C], big-endian."""
    width, height = size or (rows.shape[1], rows.shape[0])
    ihdr = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = [chunk(b"IHDR", ihdr), *between, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def saved(image, form, **words):
    buffer = io.BytesIO()
    image.save(buffer, format=form, **words)
    return buffer.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def alpha(image, value):
    image = image.copy()
    image.putalpha(value)
    return image


GREY_PALETTE = Image.fromarray(GREY, "P")
GREY_PALETTE.putpalette(bytes(v for v in range(256) for _ in range(3)))
BLACK_WHITE = np.where(GREY > 99, 255, 0).astype(np.uint8)
BITS = Image.fromarray(BLACK_WHITE).convert("1", dither=0)
FEW = C.quantize(8)
READ = {
    "grey png": (".png", saved(L, "PNG"), GREY[None]),
    "grey of 16 bits": (".png", saved(DEEP, "PNG"), GREY[None]),
    "grey tiff of 16 bits": (".tiff", saved(DEEP, "TIFF"), GREY[None]),
    "grey pgm of 16 bits": (".pgm", saved(DEEP, "PPM"), GREY[None]),
    "opaque grey": (".png", saved(alpha(L, 255), "PNG"), GREY[None]),
    "opaque colour": (".tga", saved(alpha(C, 255), "TGA"), COLOUR),
    "unused colour key": (".png", saved(C, "PNG", transparency=(1, 2, 3)), COLOUR),
    "black and white": (".png", saved(BITS, "PNG"), BLACK_WHITE[None]),
    "black and white pbm": (".pbm", saved(BITS, "PPM"), BLACK_WHITE[None]),
    "palette": (".png", saved(FEW, "PNG"), np.asarray(FEW.convert("RGB")).transpose(2, 0, 1)),
    "grey palette": (".gif", saved(GREY_PALETTE, "GIF"), GREY[None]),
    "bmp": (".bmp", saved(C, "BMP"), COLOUR),
    "gif": (".gif", saved(C.quantize(256), "GIF"), None),
    "ppm": (".ppm", saved(C, "PPM"), COLOUR),
    "pcx": (".pcx", saved(C, "PCX"), COLOUR),
    "sgi": (".rgb", saved(C, "SGI"), COLOUR),
    "webp": (".webp", saved(C, "WEBP", lossless=True), COLOUR),
    "cmyk": (".tif", saved(C.convert("CMYK"), "TIFF"), COLOUR),
    "another suffix": (".jpg", saved(C, "PNG"), COLOUR),
    "no suffix": ("", saved(C, "TIFF"), COLOUR),
    "capitals": (".TIF", saved(C, "TIFF", compression="tiff_lzw"), COLOUR),
}


@pytest.mark.parametrize("case", READ)
def test_what_is_read(tmp_path, case):
    suffix, data, expected = READ[case]
    (tmp_path / f"picture{suffix}").write_bytes(data)
    (batch,) = read(tmp_path).batches()
    if expected is None:
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).transpose(2, 0, 1)
    assert batch.dtype == np.uint8 and np.array_equal(batch[0], expected)


def test_every_value_of_16_bits_goes_to_the_nearest_of_8():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = pixels(io.BytesIO(saved(Image.fromarray(values), "PNG")), ".png")
    assert np.array_equal(found[0], np.round(values / 257).astype(np.uint8))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_pictures_are_upright(form, orientation):
    tall = np.zeros((16, 32), np.uint8)
    tall[:8, :16] = 255
    words = {"lossless": True} if form == "WEBP" else {}
    data = saved(Image.fromarray(tall).convert("RGB"), form, exif=turned(orientation), **words)
    turns = {3: 2, 6: 3, 8: 1}[orientation]
    found = pixels(io.BytesIO(data), "")
    assert np.array_equal(found[0] > 127, np.rot90(tall, turns) > 127)
    head = header(io.BytesIO(data), "")
    assert (head.channels, head.height, head.width) == found.shape and "EXIF" in head.done


DEEP_RGB = (RGB.astype(">u2") * 257).astype(">u2")
SEVERAL = {"save_all": True, "append_images": [L.convert("RGB")]}
REFUSED = {
    "integers": (saved(Image.fromarray(GREY.astype(np.int32)), "TIFF"), "32-bit"),
    "floats": (saved(Image.fromarray(GREY / np.float32(255)), "TIFF"), "floating-point"),
    "colour of 16 bits": (png(16, 2, DEEP_RGB), "16 bits per channel"),
    "lab": (saved(Image.new("LAB", (9, 8)), "TIFF"), "mode is LAB"),
    "alpha": (saved(alpha(C, 99), "PNG"), "transparent"),
    "grey alpha": (saved(alpha(L, 99), "PNG"), "transparent"),
    "key": (saved(L, "PNG", transparency=int(GREY[0, 0])), "transparent"),
    "palette key": (saved(FEW, "PNG", transparency=0), "transparent"),
    "deep key": (saved(DEEP, "PNG", transparency=3), "more than 8 bits"),
    "0 is white": (saved(DEEP, "TIFF", tiffinfo={262: 0}), "more than 8 bits"),
    "gif animation": (saved(C, "GIF", **SEVERAL), "several pictures"),
    "png animation": (saved(C, "PNG", **SEVERAL), "several pictures"),
    "webp animation": (saved(C, "WEBP", **SEVERAL), "several pictures"),
    "tiff pages": (saved(C, "TIFF", **SEVERAL), "several pictures"),
    "camera": (saved(C, "MPO", **SEVERAL), "several pictures"),
    "bomb": (png(8, 0, GREY[:1], size=(60_000, 60_000)), "pixels"),
    "small bomb": (png(8, 0, GREY[:1], size=(9_000, 9_000)), "9,000 x 9,000 pixels"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "PostScript"),
    "web page": (b"<!doctype html>", "web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "nothing": (b"", "empty"),
    "text": (b"not an image", "an unknown kind"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_before_anything_is_decoded(tmp_path, case):
    data, message = REFUSED[case]
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(data)
    with pytest.raises(InputError, match=rf"b\.png is not a readable image \(.*{message}"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tga", ".eps", ".ps", ""])
def test_nothing_is_handed_to_ghostscript(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(subprocess, "check_call", lambda *_, **__: pytest.fail("run"))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("run"))
    (tmp_path / f"a{suffix}").write_bytes(saved(C, "EPS"))
    with pytest.raises(InputError, match=r"PostScript|not read here|holds no images"):
        list(read(tmp_path).batches())


@pytest.mark.parametrize(("form", "share"), [("PNG", 0.5), ("JPEG", 0.5), ("BMP", 0.9)])
def test_a_truncated_image_is_named(tmp_path, form, share, monkeypatch):
    """Whatever a library has told Pillow to put up with."""
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    data = saved(Image.fromarray(RNG.integers(0, 256, (99, 99), dtype=np.uint8)), form)
    (tmp_path / "a.png").write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"a\.png is not a readable image \(.*truncated"):
        list(read(tmp_path).batches())


def test_a_damaged_tiff_is_told_in_one_line(tmp_path, capfd):
    """libtiff would write further ones, past Python."""
    data = bytearray(saved(C, "TIFF", compression="tiff_lzw"))
    data[8:60] = os.urandom(4) * 13
    with pytest.raises(Unreadable):
        pixels(io.BytesIO(bytes(data)), ".tif")
    assert capfd.readouterr() == ("", "")
