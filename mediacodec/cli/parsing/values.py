"""What options accept: times and bit rates as ffmpeg writes them, names of metrics with a threshold."""

from __future__ import annotations

import re
from typing import NoReturn

import click

LOWEST_RATE = 400  # bit/s; anything below was meant in kbit/s
_TIME = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_RATE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)([kKM]?)", re.ASCII)
_FACTORS = {"": 1, "k": 1_000, "K": 1_000, "M": 1_000_000}


class Time(click.ParamType):  # type: ignore[type-arg]  # no parameter before click 8.5
    """Seconds, or [HH:]MM:SS[.m]."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; fails on anything that is no time from 0 on."""
        if isinstance(value, float):
            return value
        match = _TIME.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no time; write seconds (12.5) or [HH:]MM:SS[.m] (1:02:03.5)", param, ctx)
        hours, minutes, seconds = match.groups()
        if minutes is not None and float(seconds) >= 60:
            self.fail(f"{value!r} has more than 59 seconds in a minute", param, ctx)
        return 3600.0 * int(hours or 0) + 60.0 * int(minutes or 0) + float(seconds)


class BitRate(click.ParamType):  # type: ignore[type-arg]  # no parameter before click 8.5
    """Bits a second: 3000, 3k, 3.2k."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Bits a second; fails on what is no rate, or can only have been meant in kbit/s."""
        if isinstance(value, float):
            return value
        match = _RATE.fullmatch(str(value))
        if match is None:
            self._fail(value, param, ctx)
        number, unit = match.groups()
        rate = float(number) * _FACTORS[unit]
        if rate == 0:
            self._fail(value, param, ctx)
        if rate < LOWEST_RATE:
            wanted = f"; did you mean {number}k?" if not unit else ""
            self.fail(f"{rate:g} bit/s is too low for any codec, {LOWEST_RATE} is the least{wanted}", param, ctx)
        return rate

    def _fail(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
        self.fail(f"{value!r} is no bit rate; write bits a second, such as 3000, 3k or 3.2k", param, ctx)


class Crf(click.ParamType):  # type: ignore[type-arg]  # no parameter before click 8.5
    """A rate factor from 0 (best) to 63."""

    name = "crf"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The factor; fails on what is no number from 0 to 63."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"\d{1,2}(\.\d+)?", str(value), re.ASCII)
        if match is None or float(match[0]) > 63:
            self.fail(f"{value!r} is no crf; write a number from 0 (best) to 63", param, ctx)
        return float(match[0])


class RateList(click.ParamType):  # type: ignore[type-arg]  # no parameter before click 8.5
    """Several rates with commas between them; nothing for none."""

    name = "rates"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """The rates in bits a second."""
        if isinstance(value, tuple):
            return value
        return tuple(BitRate().convert(part.strip(), param, ctx) for part in str(value).split(",") if part.strip())


class Threshold(click.ParamType):  # type: ignore[type-arg]  # no parameter before click 8.5
    """METRIC=VALUE."""

    name = "metric=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """The metric's name and the value."""
        if isinstance(value, tuple):
            return value
        name, _, number = str(value).partition("=")
        try:
            return name.strip().lower().replace("-", "_"), float(number)
        except ValueError:
            self.fail(f"{value!r} is no threshold; write METRIC=VALUE, such as pesq=2.0", param, ctx)


class Whole(click.ParamType):  # type: ignore[type-arg]  # no parameter before click 8.5
    """A whole number within limits; unlike click's IntRange it does not spell them out in every help."""

    name = "number"

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; fails beyond the limits."""
        try:
            number = int(str(value))
        except ValueError:
            self.fail(f"{value!r} is no whole number", param, ctx)
        if not self._low <= number <= self._high:
            self.fail(f"{number} is not in {self._low}..{self._high}", param, ctx)
        return number


class Preset(click.ParamType):  # type: ignore[type-arg]  # no parameter before click 8.5
    """A preset of encoders; which there are is said where they are defined, which a help does not wait for."""

    name = "preset"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The preset; fails on what is none."""
        from mediacodec.codecs.options import PRESETS

        if value not in PRESETS:
            self.fail(f"{value!r} is no preset; there are {', '.join(PRESETS)}", param, ctx)
        return str(value)


class SceneCut(Whole):
    """ffmpeg's threshold for new scenes, of which only 0 (no keyframes there) is told from the rest."""

    def __init__(self) -> None:
        super().__init__(0, 100)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        """Whether scene cuts get keyframes; fails beyond 0..100."""
        return value if isinstance(value, bool) else super().convert(value, param, ctx) != 0


class Tag(click.ParamType):  # type: ignore[type-arg]  # no parameter before click 8.5
    """KEY=VALUE; an empty value takes the tag away."""

    name = "tag"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Key and value."""
        from mediacodec_bitstream import is_tag_key

        if isinstance(value, tuple):
            return value
        key, sign, text = str(value).partition("=")
        if not sign or not is_tag_key(key) or "\0" in text:
            self.fail(f"{value!r} is no tag; write KEY=VALUE, such as title='A talk' (KEY= takes one away)", param, ctx)
        return key, text


HERTZ, CHANNELS, THREADS = Whole(1, 384_000), Whole(1, 8), Whole(1, 256)
GOP, PRESET, SCENE_CUT = Whole(1, 100_000), Preset(), SceneCut()
TIME, BIT_RATE, RATES, THRESHOLD, CRF, TAG = Time(), BitRate(), RateList(), Threshold(), Crf(), Tag()
