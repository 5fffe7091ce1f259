"""The accent colour that an operator sets, and what follows from it.

Invariant: whatever accent is set, text in it and on it is readable: at least 4.5:1 against the
paper and against white (WCAG 2.2, 1.4.3, level AA). A colour that is not is refused when the
process starts. For the dark theme a lighter tone of the same colour is found that is.
"""

import re
from collections.abc import Iterable
from colorsys import hls_to_rgb, rgb_to_hls
from dataclasses import dataclass
from typing import Final

PAPER: Final = "#fbf9f4"
PAPER_DARK: Final = "#15191b"
WHITE: Final = "#ffffff"
DEFAULT_ACCENT: Final = "#0b5563"

AA: Final = 4.5
DARK_AIM: Final = 7.0
"""Light text on a dark ground tires sooner, so the lighter tone aims above AA."""
DARK_SATURATION: Final = 0.6
"""What is vivid on paper glares on a dark ground."""
SOFT: Final = 0.08
STRONG: Final = 0.2

_HEX: Final = re.compile(r"#[0-9a-fA-F]{6}")

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Tones:
    """One theme's tones of the accent, each as `#rrggbb`.

    `accent` is for text, links and the ground of buttons, `on_accent` for text on that ground,
    `strong` for a button under the pointer, `soft` for the ground of a notice.
    """

    accent: str
    on_accent: str
    strong: str
    soft: str


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").

    Raises ValueError where one is not `#rrggbb`.
    """
    light, dark = sorted((_luminance(_rgb(one)), _luminance(_rgb(other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def check_accent(accent: str) -> str:
    """`accent` in small letters. Raises ValueError, with what to do, where it cannot be read on
    our paper or on white."""
    for ground, name in ((PAPER, "the paper"), (WHITE, "white")):
        ratio = contrast(accent, ground)
        if ratio < AA:
            raise ValueError(
                f"the accent {accent} has a contrast of {ratio:.1f}:1 against {name}; "
                f"text needs {AA}:1, so choose a darker tone"
            )
    return accent.lower()


def light_tones(accent: str) -> Tones:
    """The tones on paper."""
    return Tones(
        accent=accent,
        on_accent=WHITE,
        strong=_mix(accent, "#000000", STRONG),
        soft=_mix(PAPER, accent, SOFT),
    )


def dark_tones(accent: str) -> Tones:
    """The tones on the dark paper: the same colour, lightened until it can be read there."""
    hue, lightness, saturation = rgb_to_hls(*(part / 255 for part in _rgb(accent)))
    tone = accent
    while contrast(tone, PAPER_DARK) < DARK_AIM:
        lightness = min(lightness + 0.01, 1.0)
        parts = hls_to_rgb(hue, lightness, saturation * DARK_SATURATION)
        tone = _hex(round(part * 255) for part in parts)
    return Tones(
        accent=tone,
        on_accent=PAPER_DARK,
        strong=_mix(tone, WHITE, STRONG),
        soft=_mix(PAPER_DARK, tone, SOFT),
    )


def stylesheet(accent: str) -> str:
    """The small style sheet that sets the accent's tokens. Raises ValueError like
    `check_accent`."""
    checked = check_accent(accent)
    light, dark = _declarations(light_tones(checked)), _declarations(dark_tones(checked))
    return (
        f":root{{{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        f"@media print{{:root{{{light}}}}}\n"
    )


def _declarations(tones: Tones) -> str:
    return (
        f"--accent:{tones.accent};--on-accent:{tones.on_accent};"
        f"--accent-strong:{tones.strong};--accent-soft:{tones.soft}"
    )


def _rgb(colour: str) -> Rgb:
    if not _HEX.fullmatch(colour):
        raise ValueError(f"{colour!r} is not a colour of the form #rrggbb")
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: Rgb) -> float:
    """Relative luminance (WCAG 2.2), 0 to 1."""
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(one: str, other: str, share: float) -> str:
    """`one` with a `share` of `other`, from 0 to 1."""
    mixed = (round(a + (b - a) * share) for a, b in zip(_rgb(one), _rgb(other), strict=True))
    return _hex(mixed)


def _hex(parts: Iterable[int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in parts)
