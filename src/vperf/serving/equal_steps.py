"""Times of the steps of a deployment whose requests are of one length, each computed once.

Not here: how many sequences run (load.py), steps of any requests (step_times.py).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from vperf.serving.memory import Pool, pools, prompt_bytes, reading_bytes, that_holds
from vperf.timing.compiled import Compiled, Seconds
from vperf.timing.passes import decode_passes, prefill_passes

if TYPE_CHECKING:
    from vperf.serving.load import Load

_MAX_CHUNKS = 1000
"""Steps of one prompt's prefill that are asked about one by one."""


class Prefill(NamedTuple):
    """The steps that read a prompt."""

    steps: int
    seconds: float
    """Of all of them."""


class Steps:
    """Times of the steps of a deployment whose requests are of one length, each computed once.

    They do not depend on how many requests come, so that loads share them.
    """

    def __init__(
        self, compiled: Compiled, load: Load, of_card: tuple[Pool, ...] | None = None
    ) -> None:
        """`load` gives the lengths; `of_card` are the pools of a card, where they are known."""
        self.compiled, self.card = compiled, compiled.card
        full = compiled.fullest
        self._pools = of_card or pools(compiled.model, full.gpu, full.engine)
        self.input_tokens, self.output_tokens = load.input_tokens, load.output_tokens
        self.cached_tokens = load.cached_tokens
        self.encode_s, self.encode_limit_s = load.encode_s, load.encode_limit_s
        self.context = load.input_tokens + load.output_tokens // 2
        self._decode: dict[int, Seconds] = {}
        self._prefill: dict[tuple[int, int], Prefill] = {}

    def slots(self, users: int | None = None) -> int:
        """Sequences that fit at their mean length; pages are taken as sequences grow.

        `users`: those for whom the engine is given more of the memory if its default is too little.
        """
        model, card = self.compiled.model, self.compiled.card
        groups = model.parallel.data
        whole = self.input_tokens + self.output_tokens
        reserved = card.engine.scheduler.reserves_output
        each = model.rank_cache_bytes(whole if reserved else self.context)
        each += prompt_bytes(self._pools, self.input_tokens)
        if each <= 0:
            return 10**6
        once = reading_bytes(model, self._pools, self.input_tokens)
        wanted = -(-(users or 1) // groups) * each + once
        free = that_holds(self._pools, wanted).free_bytes - once
        return max(1, min(10**6, int(free / each) * groups))

    @cached_property
    def alone(self) -> Seconds:
        """The prefill of one prompt."""
        new = self.input_tokens - self.cached_tokens
        limit, expected, ceiling = self.compiled.prefill(1, new, self.cached_tokens)
        floor = self.encode_limit_s
        return Seconds(limit + floor, expected + self.encode_s, ceiling + floor)

    def decode(self, running: float) -> Seconds:
        """Of a decode step, between whole batches by interpolation."""
        low = int(running)
        at_low = self._decode_of(low)
        share = running - low
        if share < 1e-9:
            return at_low
        at_high = self._decode_of(low + 1)
        return Seconds(
            *(one + share * (other - one) for one, other in zip(at_low, at_high, strict=True))
        )

    def _decode_of(self, batch: int) -> Seconds:
        found = self._decode.get(batch)
        if found is None:
            found = self._decode[batch] = self.compiled.decode(batch, self.context)
        return found

    def prefill(self, running: float, prompts: int = 1) -> Prefill:
        """The steps that read one prompt, or the one that reads several together, decoding the
        others meanwhile."""
        mixes = self.compiled.card.engine.scheduler.policy == "mixed"
        decoding = round(running) if mixes else 0
        found = self._prefill.get((decoding, prompts))
        if found is None:
            found = self._prefill[decoding, prompts] = self._chunks(decoding, prompts)
        return found

    def prompts_per_step(self, running: float) -> float:
        """Prompts that fit into a step beside `running` sequences."""
        return self._budget(round(running)) / (self.input_tokens - self.cached_tokens)

    def _budget(self, decoding: int) -> int:
        """Prompt tokens of a step."""
        model = self.compiled.model
        verified = decoding // model.parallel.data * (1 + model.draft_tokens)
        return max(1, self.compiled.card.engine.max_batched_tokens - verified)

    def _chunks(self, decoding: int, prompts: int) -> Prefill:
        compiled, model = self.compiled, self.compiled.model
        groups = model.parallel.data
        budget = self._budget(decoding)
        decode = decode_passes(model, decoding, self.context) if decoding else ()
        past, seconds = self.cached_tokens, 0.0
        count = -(-(self.input_tokens - past) // budget)
        # A chunk's time is all but linear in what is cached: of many, each stretch takes the time
        # of its middle. The last one, which is shorter, is asked about by itself.
        stretch = max(1, count // _MAX_CHUNKS)
        done = 0
        while done < count:
            alike = max(1, min(stretch, count - 1 - done))
            past = self.cached_tokens + (done + alike // 2) * budget
            new = min(budget, self.input_tokens - past)
            # One prompt is on one attention group; `groups` prompts keep all equally busy.
            chunk = prefill_passes(model, prompts * groups, new, past)
            if decode:
                each = compiled.mixed(decode, chunk, decoding / groups + prompts)[1]
            else:
                each = compiled.passes(chunk)[1]
            seconds += alike * each
            done += alike
        return Prefill(count, seconds + prompts * self.encode_s)
