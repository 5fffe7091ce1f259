"""Pictures: what a file is, by what stands in it.

Invariant: a name or a type that somebody says counts for nothing; only the file's own head does.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

MOST_BYTES: Final = 500 * 1024
MOST_PIXELS: Final = 3000

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_SIZES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


@dataclass(frozen=True, slots=True)
class Kind:
    """What a picture is. `ending` without a dot; `width` and `height` in pixels; `digest`: the
    first 20 hexadecimal digits of its SHA-256."""

    media_type: str
    ending: str
    width: int
    height: int
    digest: str


def kind_of(data: bytes) -> Kind | None:
    """What it is; None where it is no picture that we take."""
    if not data or len(data) > MOST_BYTES:
        return None
    try:
        found = _png(data) or _jpeg(data) or _webp(data)
    except (struct.error, IndexError):
        return None
    if found is None:
        return None
    media_type, ending, width, height = found
    if not (0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
        return None
    return Kind(media_type, ending, width, height, hashlib.sha256(data).hexdigest()[:20])


_Found = tuple[str, str, int, int]


def _png(data: bytes) -> _Found | None:
    """W3C PNG, 11.2.1: the first chunk is IHDR."""
    if not data.startswith(_PNG) or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    return "image/png", "png", width, height


def _jpeg(data: bytes) -> _Found | None:
    """ITU-T T.81, B.2.2: the size stands in the frame header, behind other segments."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return "image/jpeg", "jpg", width, height
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None


def _webp(data: bytes) -> _Found | None:
    """RFC 9649: lossy, lossless or extended."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return "image/webp", "webp", width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack("<I", data[21:25])
            return "image/webp", "webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            width = int.from_bytes(data[24:27], "little") + 1
            height = int.from_bytes(data[27:30], "little") + 1
            return "image/webp", "webp", width, height
    return None
