"""Images, sounds and frames of requests: what they are asked as, and how long their tower takes.

A request's media are encoded before its prompt is read, those of all requests of a step together.
Towers run without CUDA graphs: the host launches every kernel. What is encoded stays in the
engine's encoder cache until its prompt is read. Not here: a tower's layers (model/vision/).
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from vperf.errors import InputError
from vperf.model.divide import Parallel
from vperf.model.ops import Step
from vperf.model.vision import WINDOW_S, Encoded, Encoder, Media, Rule
from vperf.serving.elsewhere import served_behind
from vperf.serving.equal_steps import Steps
from vperf.serving.load import Load, Served
from vperf.spelling import flag
from vperf.timing.compiled import Compiled, Seconds
from vperf.timing.passes import Pass
from vperf.timing.step import Card
from vperf.units import parse_seconds
from vperf.values import dataclass

_SIZE = re.compile(r"\s*(\d{1,5})\s*x\s*(\d{1,5})\s*", re.IGNORECASE)
_FPS = re.compile(r"\s*([\d.]+)\s*fps\s*", re.IGNORECASE)
_FRAMES_A_SECOND = 2.0
"""Of a video whose rate is not given, as Qwen-VL's processors sample it."""
_LONGEST_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Apart:
    """Cards of their own that encode, and send what they made of it."""

    gpus: int
    sent_bytes: float
    """Of a request: a hidden state for each of its tokens, 16 bit."""
    bytes_per_s: float

    @property
    def sent_s(self) -> float:
        """Of a request."""
        return self.sent_bytes / self.bytes_per_s


@dataclass(frozen=True, slots=True)
class Encoding:
    """The media of one request, and the tower on its card."""

    compiled: Compiled
    parts: tuple[Encoded, ...]
    apart: Apart | None = None
    """Not the card that reads the prompt."""

    @property
    def tokens(self) -> int:
        """That they add to its prompt."""
        return sum(part.tokens for part in self.parts)

    def beyond(self, found: int) -> Encoding | None:
        """What is left to encode where so many tokens of a prompt are found, its media first."""
        left = list(self.parts)
        while left and left[0].tokens <= found:
            found -= left.pop(0).tokens
        return replace(self, parts=tuple(left)) if left else None

    def of_load(self, load: Load) -> Load:
        """The load with this encoding."""
        if self.apart is not None:  # no step waits for it
            return load
        limit, expected, _ = self.seconds(1)
        return replace(load, encode_s=expected, encode_limit_s=limit)

    def passes(self, requests: int) -> tuple[Pass, ...]:
        """Of the media of so many requests: equal ones together."""
        counts: dict[int, int] = {}
        for part in self.parts:
            counts[part.patches] = counts.get(part.patches, 0) + part.sequences
        return tuple(
            Pass(Step(requests * sequences, patches, 0)) for patches, sequences in counts.items()
        )

    def seconds(self, requests: int) -> Seconds:
        """How long they take, and to arrive where prompts are read."""
        if self.apart is None:
            return self.compiled.passes(self.passes(requests))
        each = -(-requests // self.apart.gpus)
        tower, sent = self.compiled.passes(self.passes(each)), each * self.apart.sent_s
        return Seconds(max(tower.limit, sent), tower.expected + sent, max(tower.ceiling, sent))

    def before(self, prefill: Seconds, requests: int) -> Seconds:
        """They and the prompts. Other cards may encode a part while another one is read."""
        own = self.seconds(requests)
        least = max if self.apart is not None else _sum
        return Seconds(
            least(own.limit, prefill.limit), own.expected + prefill.expected,
            least(own.ceiling, prefill.ceiling),
        )  # fmt: skip

    def served(self, compiled: Compiled, load: Load, steps: Steps) -> Served:
        """What a load of prompts settles to that wait for other cards to encode."""
        assert self.apart is not None
        limit, expected, ceiling = self.seconds(1)
        return served_behind(
            expected, self.apart.gpus, Seconds(limit, expected, ceiling), compiled, load, steps
        )


def _sum(one: float, other: float) -> float:
    return one + other


def tower_on(encoder: Encoder, card: Card) -> Compiled:
    """A tower on a card of its model; where its heads do not divide, each rank has all of it."""
    model, ways = encoder.model, encoder.model.parallel.tensor
    heads = [count for _, kind in model.kinds for b in kind.blocks for count, _ in b.divided]
    divides = all(count % ways == 0 for count in heads)
    model = replace(model, parallel=Parallel(ways if divides else 1))
    return Compiled(model, Card(card.gpu, card.engine.without_graphs()))


def heard(text: str, positions: int) -> int:
    """Positions of the encoder of a speech recogniser (Whisper): of one window, however short."""
    if _seconds(text, "audio") > WINDOW_S:
        raise InputError(f"is read in windows of {WINDOW_S:g} s, each a request of its own",
                         field="audio", hint=f"{flag('audio')} 30s")  # fmt: skip
    return positions


def media_of(  # noqa: PLR0917  (what a request may hold)
    encoder: Encoder, model_id: str, image: str | None, images: int | None, audio: str | None,
    video: str | None,
) -> tuple[Encoded, ...]:  # fmt: skip
    """The media of one request. Raises InputError for what the model does not read."""
    found: list[Encoded] = []
    if image is not None:
        width, height = _size(image, "image")
        one = _by(encoder.images, "image", model_id)(Media(width, height))
        found += [one] * (images or 1)
    if audio is not None:
        rule = _by(encoder.audio, "audio", model_id)
        found.append(rule(Media(seconds=_seconds(audio, "audio"))))
    if video is not None:
        found.append(_by(encoder.video, "video", model_id)(_video(video)))
    return tuple(found)


def _by(rule: Rule | None, field: str, model_id: str) -> Rule:
    if rule is None:
        raise InputError(f"how {model_id} reads {field} is not known here", field=field,
                         hint=f"{flag('image_tokens')} takes a number of tokens")  # fmt: skip
    return rule


def _size(text: str, field: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    if match is None or not (int(match[1]) and int(match[2])):
        raise InputError(f"must be a size in pixels as 1024x768, not {text!r}", field=field)
    return int(match[1]), int(match[2])


def _seconds(text: str, field: str) -> float:
    seconds = parse_seconds(text if re.search(r"[a-z]", text, re.IGNORECASE) else f"{text} s")
    if not 0 < seconds <= _LONGEST_S:
        raise InputError(f"must be a time up to a day as 30s, not {text!r}", field=field)
    return seconds


def _video(text: str) -> Media:
    """ "10s@2fps@1280x720": its length, frames a second and size."""
    length, *rest = text.split("@")
    rate, size = _FRAMES_A_SECOND, None
    for part in rest:
        if match := _FPS.fullmatch(part):
            rate = float(match[1])
        else:
            size = _size(part, "video")
    if size is None or not 0 < rate <= 240:
        raise InputError(f"must be as 10s@2fps@1280x720, not {text!r}", field="video")
    seconds = _seconds(length, "video")
    return Media(*size, seconds, max(1, math.floor(seconds * rate)))
