"""Step times of a deployment for the simulated scheduler, each form looked up once.

A decode step of n sequences is taken as linear in their contexts, by the line that has its mean
between the shortest and the longest of the load. A step that reads prompts too is a sum, for
kernels run one after another:

    host(sequences) + linear(sequences + prompt tokens) + head(sequences + prompts)
        + decode attention(sequences, contexts) + prompt attention(chunks)

One kernel attends for all chunks of a step, so that what it takes beyond each of them counts once.

Between whole numbers of sequences and tokens, which are exact where few, values are interpolated.
Not here: what a kernel takes (timing/).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

from vperf.model.ops import Row, Step
from vperf.serving.memory import pools, prompt_bytes, reading_bytes, that_holds
from vperf.serving.scheduler import Cache, Chunk
from vperf.timing.compiled import Compiled
from vperf.timing.kinds import KINDS
from vperf.timing.passes import Pass, parts

_EXACT = 24
"""Sequences, and tokens, up to which every number has a time of its own."""
_SEQUENCES_RATIO, _TOKENS_RATIO = 1.09, 1.12
"""Beyond that, from one number that has a time to the next."""
_CHUNK_STEP, _PAST_STEP = 64, 256
"""Prompt attention is of lengths rounded to these, where chunks are longer than four of them."""
_GAUSS = (1 - 1 / math.sqrt(3)) / 2
"""Of a range, where the two points lie whose mean is that of every cubic over all of it."""
_MOST_KEPT = 1 << 16
"""Steps with one chunk whose time is kept: a few MiB."""
_BLOCK_TOKENS = 16
"""Of a page of the cache, in most engines."""


class DeploymentTimes:
    """`StepTimes` of a model on a card, for contexts from `shortest` to `longest`."""

    def __init__(
        self, compiled: Compiled, shortest: int, longest: int, encode_s: float = 0.0
    ) -> None:
        """`encode_s`: what the images and sounds of a prompt take before it is read."""
        self.compiled, self.encode_s = compiled, encode_s
        model = compiled.model
        self._heads = compiled.only(_is_head)
        self._linears = compiled.only(_is_linear)
        self._attentions = compiled.only(_is_attention)
        longest = max(longest, shortest + 1)
        apart = int(_GAUSS * (longest - shortest))
        self.low, self.high = shortest + apart, longest - apart
        self.groups, self.stages = model.parallel.data, model.parallel.pipeline
        self._all = parts(model)
        self._kinds = [(each.count, each.tokens, each.reads_prompts) for each in self._all]
        self._engine = compiled.card.engine
        self._drafting_s = self._engine.drafting_s(model.drafted_in_a_row)
        self._decode_at: dict[int, tuple[float, float]] = {}
        self._attention_at: dict[int, tuple[float, float]] = {}
        self._linear_at: dict[tuple[int, int], float] = {}
        self._head_at: dict[tuple[int, int], float] = {}
        self._mixed_at: dict[tuple[int, Chunk], tuple[float, float]] = {}
        """Steps with one chunk: (at no context, slope over all contexts together)."""
        self._linear_in_contexts = self._engine.cuda_graphs and self.stages == 1
        self._prompt_at: dict[Chunk, tuple[float, float]] = {}

    def decode(self, sequences: int) -> tuple[float, float]:
        """As StepTimes has it."""
        found = self._decode_at.get(sequences)
        if found is None:
            found = self._line(sequences, self._decode_s)
            self._decode_at[sequences] = found
        return found

    def mixed(self, sequences: int, context_tokens: float, chunks: Sequence[Chunk]) -> float:
        """As StepTimes has it."""
        if len(chunks) > 1 or not self._linear_in_contexts:
            return self._mixed_s(sequences, context_tokens, chunks)
        asked = (sequences, chunks[0])
        found = self._mixed_at.get(asked)
        if found is None:
            slope = self._attention(sequences)[1] if sequences else 0.0
            found = self._mixed_s(sequences, 0.0, chunks), slope
            if len(self._mixed_at) < _MOST_KEPT:
                self._mixed_at[asked] = found
        return found[0] + found[1] * context_tokens

    def _mixed_s(self, sequences: int, context_tokens: float, chunks: Sequence[Chunk]) -> float:
        prompt_tokens, reads, seconds, once = 0, False, 0.0, 0.0
        for chunk in chunks:
            new, past = chunk
            prompt_tokens += new
            reads = reads or new > 1
            each, of_kernel = self._prompt(new, past)
            seconds += each + (0.0 if past else self.encode_s)
            once = max(once, of_kernel)
        seconds = (seconds + min(len(chunks), self.groups) * once) / self.groups
        # A group's share, and that of one pass of the pipeline; each reads prompts of its own.
        decoding = sequences / (self.groups * self.stages)
        prompts = len(chunks) / self.groups
        for index, (count, tokens, reads_prompts) in enumerate(self._kinds):
            rows = prompt_tokens / self.groups if reads_prompts else prompts
            verified = decoding * tokens
            seconds += count * (
                self._linear(index, verified + rows) + self._head(index, verified + prompts)
            )
        if sequences:
            at_none, slope = self._attention(sequences)
            seconds += at_none + slope * context_tokens
        host = self._engine.overhead_s(
            self._launches, seconds, decoding + prompts, reads_prompts=reads
        )
        whole = seconds + host + self._drafting_s
        if self.stages == 1:
            return whole
        # Other stages go on meanwhile: all wait for a stage's share of what prompts take.
        base, slope = self.decode(sequences) if sequences else (0.0, 0.0)
        decode, bubble = base + slope * context_tokens, self.compiled.bubble(sequences)
        return decode + max(0.0, whole - decode / bubble) / self.stages

    def _attention(self, sequences: int) -> tuple[float, float]:
        found = self._attention_at.get(sequences)
        if found is None:
            found = self._attention_at[sequences] = self._line(sequences, self._attention_s)
        return found

    @cached_property
    def _launches(self) -> float:
        """Kernels of a step with a prompt."""
        if self._engine.cuda_graphs:
            return 0.0  # they cost the host nothing
        step = Step(self.groups, 64, 0)
        return sum(
            each.count * op.count * op.launches
            for each in self._all
            for op in self.compiled.ops(Pass(step, 1, each.role))
        )

    def _line(self, sequences: int, seconds: Callable[[int, int], float]) -> tuple[float, float]:
        """(at no context, slope over all contexts together) of what takes `seconds`."""
        low, high = _neighbours(sequences, _SEQUENCES_RATIO)
        lines = []
        for n in {low, high}:
            first, last = seconds(n, self.low), seconds(n, self.high)
            slope = (last - first) / (self.high - self.low)
            lines.append((n, first - slope * self.low, slope))
        if len(lines) == 1:
            _, base, slope = lines[0]
        else:
            (n0, base0, slope0), (n1, base1, slope1) = lines
            share = (sequences - n0) / (n1 - n0)
            base, slope = base0 + share * (base1 - base0), slope0 + share * (slope1 - slope0)
        return base, slope / sequences

    def _decode_s(self, sequences: int, context: int) -> float:
        return self.compiled.bubble(sequences) * self.compiled.decode(sequences, context)[1]

    def _attention_s(self, sequences: int, context: int) -> float:
        return self._attentions.kernels_s(
            Pass(Step(sequences, each.tokens, context, each.tokens), each.count, each.role)
            for each in self._all
        )

    def _linear(self, index: int, tokens: float) -> float:
        whole = max(1, round(tokens))
        found = self._linear_at.get((index, whole))
        if found is None:
            role = self._all[index].role

            def seconds(rows: int) -> float:
                return self._linears.kernels_s((Pass(Step(self.groups, rows, 0), 1, role),))

            found = self._linear_at[index, whole] = _interpolated(whole, _TOKENS_RATIO, seconds)
        return found

    def _head(self, index: int, rows: float) -> float:
        whole = max(1, math.ceil(rows))
        found = self._head_at.get((index, whole))
        if found is None:
            role = self._all[index].role

            def seconds(rows: int) -> float:
                step = Step(self.groups * self.stages * rows, 1, 1)
                return self._heads.kernels_s((Pass(step, 1, role),))

            found = self._head_at[index, whole] = _interpolated(whole, _TOKENS_RATIO, seconds)
        return found

    def _prompt(self, new: int, past: int) -> tuple[float, float]:
        """What a chunk adds to the kernel that reads all of a step's, and what that takes once."""
        if new > 4 * _CHUNK_STEP:
            new = (new + _CHUNK_STEP // 2) // _CHUNK_STEP * _CHUNK_STEP
        if past:
            past = (past + _PAST_STEP // 2) // _PAST_STEP * _PAST_STEP
        found = self._prompt_at.get((new, past))
        if found is None:
            one, two = (
                self._attentions.kernels_s(
                    Pass(Step(count * self.groups, new, past), each.count, each.role)
                    for each in self._all
                    if each.reads_prompts
                )
                for count in (1, 2)
            )
            found = self._prompt_at[new, past] = two - one, max(0.0, 2 * one - two)
        return found


def _is_attention(row: Row) -> bool:
    return not KINDS[row.kind].merges


def _is_head(row: Row) -> bool:
    return row.name == "lm_head"


def _is_linear(row: Row) -> bool:
    return KINDS[row.kind].merges and not _is_head(row)


def _neighbours(number: int, ratio: float) -> tuple[int, int]:
    """The two numbers with a time of their own that are nearest; itself where few."""
    if number <= _EXACT:
        return number, number
    step = int(math.log(number / _EXACT) / math.log(ratio))
    low, high = int(_EXACT * ratio**step), math.ceil(_EXACT * ratio ** (step + 1))
    return (low, high) if low <= number <= high else (number, number)


def _interpolated(number: int, ratio: float, seconds: Callable[[int], float]) -> float:
    low, high = _neighbours(number, ratio)
    if low == high:
        return seconds(number)
    first = seconds(low)
    return first + (number - low) / (high - low) * (seconds(high) - first)


def cache_room(
    compiled: Compiled, shortest: int, longest: int, sequences: int, prompt: float
) -> Cache:
    """Bytes of a GPU that the engine has for cache, and what sequences take of it.

    Between `shortest` and `longest` a sequence's cache is taken as linear: with windows it grows by
    steps. Of the last of its blocks half is empty. `sequences`: those that want to be held, their
    prompts of so many tokens on average.
    """
    model, engine, gpu = compiled.model, compiled.fullest.engine, compiled.fullest.gpu
    at_low, at_high = model.rank_cache_bytes(shortest), model.rank_cache_bytes(longest)
    per_token = max(0.0, (at_high - at_low) / max(1, longest - shortest))
    groups = model.parallel.data
    of_card = pools(model, gpu, engine)
    read = prompt_bytes(of_card, prompt)
    once = reading_bytes(model, of_card, prompt)
    free = that_holds(of_card, -(-sequences // groups) * (at_high + read) + once).free_bytes - once
    return Cache(
        size=max(free, 0.0) * model.parallel.data,
        per_sequence=(
            max(0.0, at_low - per_token * shortest) + per_token * _BLOCK_TOKENS / 2 + read
        ),
        per_token=per_token,
    )
