"""What a shift of a number means, in words and in the units of the thing itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Word(NamedTuple):
    """What a number of an image says: theme, the text for more and for less of it, how its median is shown."""

    theme: str
    more: str
    less: str
    show: Callable[[float], str]


def _plain(value: float) -> str:
    return f"{value:.0f}"


def _signed(value: float) -> str:
    return f"{value:+.0f}"


def _share(value: float) -> str:
    return f"{value:.0%}"


def _tenths(value: float) -> str:
    return f"{value:.1f}"


def _hundredths(value: float) -> str:
    return f"{value:.2f}"


def _from_log(value: float) -> str:
    return f"{np.exp(value):.3g}"


#: by the names in `dsq.measure.appearance.STATS`
APPEARANCE = {
    "width": Word("resolution", "larger: median width", "smaller: median width", _from_log),
    "height": Word("resolution", "larger: median height", "smaller: median height", _from_log),
    "aspect": Word("shape", "wider: median width/height", "narrower: median width/height", _from_log),
    "lightness": Word("light", "brighter: median lightness", "darker: median lightness", _plain),
    "contrast": Word("contrast", "richer in contrast: median", "poorer in contrast: median", _plain),
    "dark_share": Word("light", "darker: dark share", "less dark: dark share", _share),
    "bright_share": Word("light", "brighter: burnt-out share", "less bright: burnt-out share", _share),
    "saturation": Word("colour", "more colourful: median saturation", "greyer: median saturation", _tenths),
    "warm_share": Word("tint", "warmer: share of warm colours", "colder: share of warm colours", _share),
    "red": Word("tint", "redder: median", "greener: median", _signed),
    "blue": Word("tint", "bluer: median", "yellower: median", _signed),
    "cast": Word("tint", "tinted: median cast", "more neutral: median cast", _tenths),
    "sharpness": Word("sharpness", "sharper: median step", "blurrier: median step", _from_log),
    "noise": Word("noise", "noisier: median noise", "less noisy: median noise", _from_log),
    "edges": Word("detail", "richer in edges: share", "poorer in edges: share", _share),
    "vertical_edges": Word("lines", "fuller of upright lines: share", "poorer in upright lines: share", _share),
    "horizontal_edges": Word("lines", "fuller of level lines: share", "poorer in level lines: share", _share),
    "information": Word("contrast", "richer in tones: bits", "poorer in tones: bits", _hundredths),
    "top_light": Word("scene", "lighter above, from the lower half:", "darker above, from the lower half:", _signed),
    "centre_light": Word(
        "scene", "lighter in the middle, from the mean:", "darker in the middle, from the mean:", _signed
    ),
    "top_edge": Word(
        "top edge", "lighter along the top, from the mean:", "darker along the top, from the mean:", _signed
    ),
    "bottom_edge": Word(
        "bottom edge", "lighter along the bottom, from the mean:", "darker along the bottom, from the mean:", _signed
    ),
    "blockiness": Word("compression", "more compressed: blockiness", "less compressed: blockiness", _hundredths),
}  # fmt: skip


def tell_appearance(name: str, first: float, second: float) -> str:
    """ "production is darker: median lightness 61 against 118"."""
    word = APPEARANCE[name]
    return f"production is {word.more if second > first else word.less} {word.show(second)} against {word.show(first)}"


def tell_objects(name: str, first: float, second: float) -> str:
    """A shift of one of `OBJECTS`, medians before and after, as a sentence."""
    if name == "count":
        more = "more" if second > first else "fewer"
        return f"production has {more} objects an image: {_count(second)} instead of {_count(first)}"
    if name == "size":
        factor = np.exp(abs(second - first))
        larger = "larger" if second > first else "smaller"
        return (
            f"objects are {factor:.{0 if factor > 9.95 else 1}f} × {larger} in production: "
            f"{np.exp(second):.1%} of the image's side against {np.exp(first):.1%}"
        )
    if name == "class_size":
        factor = np.exp(abs(second - first))
        return f"objects are {factor:.1f} × {'larger' if second > first else 'smaller'} for their class in production"
    if name == "aspect":
        return (
            f"objects are {'wider' if second > first else 'narrower'} in production: "
            f"width/height {np.exp(second):.2f} against {np.exp(first):.2f}"
        )
    if name == "off_centre":
        where = "farther from" if second > first else "nearer to"
        return f"objects lie {where} the middle in production: {second:.0%} of the side away against {first:.0%}"
    if name == "height_in_image":
        where = "lower" if second > first else "higher"
        return f"objects lie {where} in production: at {second:.0%} of the height against {first:.0%}"
    if name == "at_rim":
        return f"{second:.0%} of the objects are cut by the rim in production against {first:.0%}"
    closer = "farther apart" if second > first else "closer together"
    return f"objects stand {closer} in production: {second:.0%} of the side against {first:.0%}"


def tell_mix(name: str, first: float, second: float) -> str:
    """A class whose share of the boxes changed."""
    if not first:
        return f"{name} is {second:.0%} of the boxes in production and not in training"
    more = "more" if second > first else "less"
    return f"{name} is {more} frequent in production: {second:.0%} of the boxes against {first:.0%}"


def _count(value: float) -> str:
    count = np.expm1(value)
    return f"{count:.0f}" if count >= 9.5 or abs(count - round(count)) < 0.05 else f"{count:.1f}"
