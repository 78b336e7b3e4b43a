"""Continuous batching, simulated: requests as they arrive -> when each of their tokens comes.

The state is the scheduler's own: sequences that decode, ordered by the step in which they end;
their contexts' sum; prompts half read; a queue. Time advances by events, not by steps: while no
sequence ends, none joins and the cache does not fill, k decode steps are one event. A step of n
sequences with contexts of S tokens in all takes a + b S (StepTimes), and S grows by n g a step of
g tokens a sequence, so that

    k steps = k (a + b S) + b n g k (k - 1) / 2

the same as one by one up to rounding. So are the steps in which one long prompt alone is read,
whose time is taken as linear from the first to the last of a quarter of what was read.

Drafts: each step gives every sequence the mean number of tokens. Attention groups (data parallel)
and pipeline stages are one scheduler with the room of all. Deterministic: all chance is in the
traffic (arrivals.py). Not here: requests on their way (client.py), what a step takes
(step_times.py), facts of engines (hardware/scheduler.py), the means of an endless run in closed
form (load.py).
"""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Protocol

from vperf.hardware.scheduler import Scheduler
from vperf.serving.arrivals import Traffic
from vperf.serving.client import Client
from vperf.serving.simulated import Simulated

Chunk = tuple[int, int]
"""Prompt tokens that a step reads, and tokens of the same prompt that are cached before them."""

_FOREVER = 1 << 62
_REPORT_EVENTS = 1 << 13


class StepTimes(Protocol):
    """Seconds of the steps of a deployment."""

    def decode(self, sequences: int) -> tuple[float, float]:
        """(a, b): a decode step takes a + b x the contexts of all sequences together."""
        ...

    def mixed(self, sequences: int, context_tokens: float, chunks: Sequence[Chunk]) -> float:
        """A step that decodes `sequences`, whose contexts sum to so many, and reads `chunks`."""
        ...


@dataclass(frozen=True, slots=True)
class Cache:
    """Room for the cache of all sequences, in any unit."""

    size: float
    per_sequence: float
    """What a sequence takes whatever its length: recurrent state, half of its last block."""
    per_token: float


def simulate(
    times: StepTimes,
    scheduler: Scheduler,
    traffic: Traffic,
    *,
    cache: Cache | None = None,
    tokens_per_step: float = 1.0,
    verified_tokens: int = 1,
    longest_run: int = _FOREVER,
    stages: int = 1,
    progress: Callable[[int], object] | None = None,
) -> Simulated:
    """Serve `traffic` to the end.

    `cache`: None is room for all. `tokens_per_step`: what a sequence gets of a decode step, of the
    `verified_tokens` that it adds to the step. `longest_run`: steps of one event at most; 1 goes
    one by one. `stages` of a pipeline, through which prompts pass one behind another: a step takes
    its share of their time, and a prompt comes out by the rest of it later. `progress` is told now
    and then how many requests have ended.
    """
    setting = _Setting(times, cache, tokens_per_step, verified_tokens, longest_run, stages)
    run = _Run(scheduler, traffic, setting)
    run.serve(progress)
    return run.result()


@dataclass(frozen=True, slots=True)
class _Setting:
    times: StepTimes
    cache: Cache | None
    tokens_per_step: float
    verified: int
    longest_run: int
    stages: int


_Steps = tuple[float, float, float, int]
"""An event: its start, the time of its first step, by how much each is longer, how many."""


@dataclass(slots=True)
class _Lost:
    """A preempted request."""

    at: float
    made: int = 0
    """Output tokens so far."""
    last_token: float = 0.0


class _Run:
    """The state of a simulation. `context` and what follows from it count tokens in the cache."""

    def __init__(self, scheduler: Scheduler, traffic: Traffic, setting: _Setting) -> None:
        count = len(traffic)
        self.facts, self.traffic, self.count = scheduler, traffic, count
        self.mixes = scheduler.policy == "mixed"
        self.times, self.cache, self.verified = setting.times, setting.cache, setting.verified
        self.longest = setting.longest_run
        self.behind: dict[int, float] | None = {} if setting.stages > 1 else None
        """What requests come later for the stages that their prompts had still to pass."""
        self.further = setting.stages - 1
        # Whole numbers of tokens stay whole.
        gain, cache = setting.tokens_per_step, setting.cache
        self.gain: float = int(gain) if gain == int(gain) else gain
        self.client, self.half_way = Client(traffic, scheduler), scheduler.transit_s / 2
        self.grows = cache is not None and not scheduler.reserves_output
        """Whether a step takes more of the cache."""
        self.per_step = self.gain * cache.per_token if cache is not None and self.grows else 0.0
        """What a sequence takes of it each step."""
        self.budget = max(1, scheduler.max_batched_tokens)
        self.most = max(1, min(scheduler.max_sequences, self.budget // self.verified))
        self.lag, self.every = scheduler.admission_steps, scheduler.receive_interval
        self.inputs, self.outputs = traffic.input_tokens, traffic.output_tokens
        self.first = array("d", bytes(8 * count))
        self.ended = array("d", bytes(8 * count))
        self.lost: dict[int, _Lost] = {}
        """Preempted requests."""
        self.kept: OrderedDict[int, int] = OrderedDict()
        """Tokens of an idle session's cache, by the request that will find them."""
        self.kept_size = 0.0
        self.waiting: deque[int] = deque()
        self.partial: list[list[int]] = []
        """[request, tokens in cache, tokens to be there] of prompts half read."""
        self.running: list[tuple[int, int, float]] = []
        """Heap of (decode step in which it ends, request, its context then)."""
        self.admitted: dict[int, None] = {}
        """Running and half read, in the order of admission."""
        self.decoded = 0
        """Decode steps so far."""
        self.context: float = 0
        """Of all running sequences together."""
        self.used = self.now = 0.0
        self.busy = self.holding = self.shut = False
        self.started: deque[_Steps] = deque(maxlen=max(1, self.lag))
        """The events that hold the last steps."""
        self.looked = self.held = 0
        """Decode steps since the last look for requests, and since prompts are held back."""
        self.warm_up_s = scheduler.warm_up_s
        """What the first step with several prompts will take more."""
        self.stalled: list[tuple[float, int]] = []
        """(time of their last token, sequences) that a prefill step keeps from decoding."""
        self.done = self.steps = self.events = self.preempted = self.peak_running = 0
        self.busy_s = self.running_s = self.waiting_s = self.peak_used = 0.0
        self.gap_s, self.gap_count = array("d"), array("q")

    def serve(self, progress: Callable[[int], object] | None) -> None:
        """All requests."""
        client, grows = self.client, self.grows
        while self.done < self.count:
            if client.seen_at <= self.now or not self.admitted:
                self._receive()
            if self.waiting or self.partial or grows:
                chunks, ending = self._admit()
                if chunks:
                    self._read(chunks, ending)
                else:
                    self._decode()
            else:
                self.holding = self.shut = False
                self._decode()
            self.events += 1
            if progress is not None and not self.events % _REPORT_EVENTS:
                progress(self.done)

    def _receive(self) -> None:
        """Requests that the scheduler knows of when it prepares the step that starts now."""
        client = self.client
        if not self.admitted and not self.waiting:
            self.busy = False
            self.now = max(self.now, client.seen_at)
            self.waiting.append(client.see())
        if self.every > 1 and self.busy and self.looked % self.every:
            return
        cut = self._start_of(self.lag) if self.lag and self.busy else self.now
        while client.seen_at <= cut:
            self.waiting.append(client.see())

    def _start_of(self, back: int) -> float:
        """When the last step started, or one further back."""
        for start, step, rise, many in reversed(self.started):
            if back <= many:
                before = many - back
                return start + before * step + rise * before * (before - 1) / 2
            back -= many
        return -math.inf

    def _finish(self, request: int, context: float) -> None:
        """Its last token has come; `context` is what it has in cache."""
        seen = self.now + self.half_way
        if self.behind is not None:
            seen += self.behind.pop(request, 0.0)
        self.ended[request] = seen
        self.done += 1
        del self.admitted[request]
        told = self.inputs[request] + self.outputs[request]
        if not self.admitted:
            self.used = 0.0
        elif self.cache is not None:
            self._release(told if self.facts.reserves_output else context)
        following = self.client.answered(request, seen)
        # A session whose next prompt does not hold all that was said starts anew.
        session = self.traffic.next_turn is not None
        if session and following is not None and self.inputs[following] >= told:
            self._keep(following, told - 1)

    # Cache

    def _release(self, tokens: float) -> None:
        cache = self.cache
        assert cache is not None
        self.used -= cache.per_sequence + cache.per_token * tokens

    def _keep(self, following: int, tokens: int) -> None:
        """A session's context stays until its next turn, or until its room is needed."""
        self.kept[following] = tokens
        if self.cache is not None:
            self.kept_size += self.cache.per_sequence + self.cache.per_token * tokens

    def _drop(self, request: int) -> int:
        """The tokens kept for a request, which are its own from now on."""
        tokens = self.kept.pop(request, 0)
        if tokens and self.cache is not None:
            self.kept_size -= self.cache.per_sequence + self.cache.per_token * tokens
        return tokens

    def _make_room(self) -> bool:
        """Preempt whoever came last until the next step fits; whether any was.

        Its cache is lost: it is read again, with what it had made (vLLM's recomputation).
        """
        cache = self.cache
        assert cache is not None
        preempted = False
        while self.used + len(self.running) * self.per_step > cache.size and len(self.admitted) > 1:
            preempted = True
            self._preempt(next(reversed(self.admitted)))
        while self.kept and self.used + self.kept_size > cache.size:
            self._drop(next(iter(self.kept)))
        return preempted

    def _preempt(self, request: int) -> None:
        self.preempted += 1
        del self.admitted[request]
        self.waiting.appendleft(request)
        if self.partial and self.partial[-1][0] == request:
            self._release(self.partial.pop()[2])
            lost = self.lost.setdefault(request, _Lost(self.now))
            lost.at = self.now
            return
        at = next(i for i, row in enumerate(self.running) if row[1] == request)
        end, _, context = self.running[at]
        self.running[at] = self.running[-1]
        self.running.pop()
        heapify(self.running)
        context -= self.gain * (end - self.decoded)
        self.context -= context
        self._release(context)
        made = min(round(context) - self.inputs[request] + 1, self.outputs[request] - 1)
        since = self.now
        if self.stalled:
            since, together = self.stalled.pop()
            if together > 1:
                self.stalled.append((since, together - 1))
        self.lost[request] = _Lost(self.now, made, since)

    # Steps

    def _admit(self) -> tuple[list[Chunk], list[int]]:
        """The chunks of prompts that the next step reads, and requests whose prompt it ends."""
        chunks: list[Chunk] = []
        ending: list[int] = []
        full = self.grows and self._make_room()
        self.holding, self.shut = False, full
        if not self.waiting and not self.partial:
            return chunks, ending
        if self.waiting and self.facts.wait_steps and self._holds_back():
            self.holding = True
            return chunks, ending
        decoding = len(self.running) if self.mixes else 0
        left = self.budget - decoding * self.verified
        if self.partial:
            left = self._go_on(left, chunks, ending)
        if not full:
            self._start_prompts(left, decoding, chunks, ending)
        return chunks, ending

    def _holds_back(self) -> bool:
        """Whether prompts wait for company beside the sequences that decode."""
        if self.partial or not self.running or len(self.admitted) >= self.most:
            return False
        if self.held >= self.facts.wait_steps:
            return False
        tokens = sum(self.inputs[request] for request in self.waiting) + len(self.running)
        return tokens < self.facts.wait_share * self.budget

    def _start_prompts(
        self, left: int, decoding: int, chunks: list[Chunk], ending: list[int]
    ) -> None:
        """Admit requests in their order, as long as the step has `left` tokens for them."""
        cached = self.traffic.cached_tokens
        while self.waiting and left > 0 and len(self.admitted) < self.most:
            request = self.waiting[0]
            lost = self.lost.get(request)
            there = self.inputs[request] + (lost.made if lost else 0)
            past = cached[request] if cached else 0
            if request in self.kept:
                past = min(self.kept[request], there - 1)
            new = there - past
            if new > left:
                if not self.facts.splits_prompts and new <= self.budget and (chunks or decoding):
                    break
                new = left
            if self.cache is not None and not self._take(request, there, decoding):
                break
            if self.kept:
                self._drop(request)
            self.waiting.popleft()
            self.admitted[request] = None
            self.waiting_s += self.now - (lost.at if lost else self.client.sent[request])
            chunks.append((new, past))
            left -= new
            if past + new >= there:
                ending.append(request)
            else:
                self.partial.append([request, past + new, there])

    def _go_on(self, left: int, chunks: list[Chunk], ending: list[int]) -> int:
        """Prompts half read come first; tokens of the step that they leave."""
        still = []
        for each in self.partial:
            request, past, there = each
            new = min(left, there - past)
            if new > 0:
                chunks.append((new, past))
                each[1] = past + new
                left -= new
            if each[1] >= there:
                ending.append(request)
            else:
                still.append(each)
        self.partial = still
        return left

    def _take(self, request: int, tokens: int, decoding: int) -> bool:
        """Cache for a request that is to be admitted, if there is room; alone it always is."""
        cache = self.cache
        assert cache is not None
        if self.facts.reserves_output:
            tokens = self.inputs[request] + self.outputs[request]
        size = cache.per_sequence + cache.per_token * tokens
        if self.admitted and self.used + decoding * self.per_step + size > cache.size:
            return False
        self.used += size
        self.peak_used = max(self.peak_used, self.used)
        # What others kept of their sessions goes first, the longest idle one before the others.
        while self.kept and self.used + self.kept_size > cache.size:
            oldest = next(iter(self.kept))
            if oldest == request:
                if len(self.kept) == 1:
                    break
                self.kept.move_to_end(request)
                continue
            self._drop(oldest)
        return True

    def _read(self, chunks: list[Chunk], ending: list[int]) -> None:
        """A step with prompts, or several of one long prompt."""
        self.held = self.looked = 0
        sequences = len(self.running)
        decoding = sequences if self.mixes else 0
        many = 1
        if len(chunks) == 1 and not ending and self.longest > 1:
            many = self._equal_steps(decoding)
        context = self.context if decoding else 0
        seconds = self.times.mixed(decoding, context, chunks)
        start, gain = self.now, self.gain
        if many > 1:
            each = self.partial[0]
            new, past = chunks[0]
            step = new * (many - 1)
            context += decoding * gain * (many - 1)
            ends = self.times.mixed(decoding, context, ((new, past + step),))
            each[1] += step
            self.started.append((start, seconds, (ends - seconds) / (many - 1), many))
            mean = (seconds + ends) / 2
        else:
            if len(chunks) > 1:
                seconds, self.warm_up_s = seconds + self.warm_up_s, 0.0
            mean = seconds
            self.started.append((start, seconds, 0.0, 1))
        self.now = now = start + many * mean
        self.busy = True
        self.busy_s += many * mean
        admitted = len(self.admitted)
        self.running_s += many * mean * admitted
        self.peak_running = max(self.peak_running, admitted)
        self.steps += many
        if decoding:
            self.gap_s.append(mean)
            self.gap_count.append(many * decoding)
            self._grow(many)
        elif sequences and not self.stalled:
            self.stalled.append((start, sequences))
        if self.behind is not None:
            base, slope = self.times.decode(decoding) if decoding else (0.0, 0.0)
            late = self.further * max(0.0, seconds - base - slope * context)
            self.behind.update(dict.fromkeys(ending, late))
        begun = self._begin(ending, now)
        if begun and self.running and not self.mixes:
            self.stalled.append((now, begun))

    def _begin(self, ending: list[int], now: float) -> int:
        """First tokens, or the next after a preemption; how many sequences decode on."""
        begun = 0
        for request in ending:
            lost = self.lost.pop(request, None)
            made = lost.made if lost else 0
            context = self.inputs[request] + made
            if lost and made:
                self.gap_s.append(now - lost.last_token)
                self.gap_count.append(1)
            else:
                self.first[request] = now + self.half_way
                if self.behind is not None:
                    self.first[request] += self.behind[request]
            missing = self.outputs[request] - made - 1
            if missing <= 0:
                self._finish(request, context)
                continue
            begun += 1
            steps = missing if self.gain == 1 else math.ceil(missing / self.gain - 1e-9)
            self.context += context
            ends = self.decoded + steps
            heappush(self.running, (ends, request, context + self.gain * steps))
        return begun

    def _equal_steps(self, decoding: int) -> int:
        """How many steps with equal chunks of the one prompt in progress are one event."""
        if len(self.partial) != 1:
            return 1
        _, past, there = self.partial[0]
        new = self.budget - decoding * self.verified
        if new <= 0:
            return 1
        many = min((there - past - 1) // new, past // (4 * new), self.longest - 1) + 1
        if decoding:
            many = min(many, self.running[0][0] - self.decoded)
            many = self._before_full(many, decoding)
        return max(1, many)

    def _decode(self) -> None:
        """As many decode steps as change nothing but the contexts."""
        sequences, start = len(self.running), self.now
        base, slope = self.times.decode(sequences)
        step = base + slope * self.context
        rise = slope * sequences * self.gain
        many = self._steps_until_change(step, rise)
        ramp = rise * (many - 1) / 2
        seconds = many * (step + ramp)
        self.started.append((start, step, rise, many))
        self.now = start + seconds
        self.busy = True
        self.busy_s += seconds
        self.running_s += seconds * len(self.admitted)
        self.peak_running = max(self.peak_running, sequences)
        self.steps += many
        self.looked += many
        if self.holding:
            self.held += many
        if self.stalled:
            for since, together in self.stalled:
                self.gap_s.append(start + step - since)
                self.gap_count.append(together)
            self.stalled.clear()
            if many > 1:
                self.gap_s.append((seconds - step) / (many - 1))
                self.gap_count.append(sequences * (many - 1))
        else:
            self.gap_s.append(step + ramp)
            self.gap_count.append(many * sequences)
        self._grow(many)

    def _grow(self, many: int) -> None:
        """`many` steps have given every running sequence its tokens; who has the last one ends."""
        running = self.running
        grown = len(running) * self.gain * many
        self.decoded += many
        self.context += grown
        cache = self.cache
        if cache is not None:
            if self.grows:
                self.used += cache.per_token * grown
            self.peak_used = max(self.peak_used, self.used)
        if running and running[0][0] <= self.decoded:
            self._retire()

    def _retire(self) -> None:
        """Sequences that have their last token."""
        running, decoded = self.running, self.decoded
        while running and running[0][0] <= decoded:
            _, request, context = heappop(running)
            self.context -= context
            self._finish(request, context)
        if not running:
            self.context = 0

    def _steps_until_change(self, step: float, rise: float) -> int:
        """Decode steps until one ends, one may join, or the cache is full; at least 1."""
        many = min(self.running[0][0] - self.decoded, self.longest)
        if self.grows:
            many = self._before_full(many, len(self.running))
        if self.waiting and self.shut:
            return 1  # the step after a preemption admits again
        if self.waiting and self.holding:
            many = min(many, self.facts.wait_steps - self.held)
        if self.client.seen_at < math.inf and (len(self.admitted) < self.most or self.every > 1):
            many = min(many, self._steps_until_seen(step, rise, many))
        return max(1, many)

    def _before_full(self, many: int, decoding: int) -> int:
        """So many steps, or those until the cache is full, which to one alone it never is."""
        cache, growth = self.cache, decoding * self.per_step
        if cache is None or growth <= 0 or (len(self.admitted) == 1 and not self.kept):
            return many
        room = cache.size - self.used - self.kept_size
        return many if many * growth <= room else int(room / growth)

    def _steps_until_seen(self, step: float, rise: float, most: int) -> int:
        """Steps before the one that the next request can join."""
        seen_at = self.client.seen_at
        until = seen_at - self.now
        if until <= 0:
            # It joins `lag` steps after the first start at which it was there.
            found = sum(self._start_of(back) < seen_at for back in range(1, self.lag + 1))
        else:
            if most * step < until:  # steps only grow longer where contexts do
                found = most if rise >= 0 else self._first_start(step, rise, until)
            else:
                found = self._first_start(step, rise, until)
            found += self.lag
        found = max(1, found)
        if self.every > 1:
            found += -(self.looked + found) % self.every
        return found

    @staticmethod
    def _first_start(step: float, rise: float, until: float) -> int:
        """The first m with m step + rise m (m - 1) / 2 >= until."""
        if rise * until > 1e-12 * step * step:
            half = step - rise / 2
            found = (math.sqrt(half * half + 2 * rise * until) - half) / rise
        else:
            found = until / step
        m = max(1, math.ceil(found))
        if m > 1 and (m - 1) * step + rise * (m - 1) * (m - 2) / 2 >= until:
            m -= 1
        elif m * step + rise * m * (m - 1) / 2 < until:
            m += 1
        return m

    def _oversized(self) -> int:
        """Requests that the cache does not hold even alone."""
        cache = self.cache
        if cache is None:
            return 0
        room = cache.size - cache.per_sequence
        lengths = zip(self.inputs, self.outputs, strict=True)
        return sum(cache.per_token * (i + o) > room for i, o in lengths)

    def result(self) -> Simulated:
        """What has come of it."""
        return Simulated(
            traffic=self.traffic,
            sent_s=self.client.sent,
            first_s=self.first,
            ended_s=self.ended,
            gap_s=self.gap_s,
            gap_count=self.gap_count,
            busy_s=self.busy_s,
            running_s=self.running_s,
            waiting_s=self.waiting_s,
            peak_running=self.peak_running,
            peak_cache=self.peak_used / self.cache.size if self.cache and self.cache.size else 0.0,
            steps=self.steps,
            events=self.events,
            preempted=self.preempted,
            oversized=self._oversized(),
        )
