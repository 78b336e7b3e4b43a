"""Requests on their way to the scheduler: sent one by one, taken by the front end in turn.

Not here: when they are sent (arrivals.py), what the scheduler does with them (scheduler.py).
"""

from __future__ import annotations

import math
from array import array
from heapq import heapify, heappop, heappush

from vperf.hardware.scheduler import Scheduler
from vperf.serving.arrivals import Traffic


class Client:
    """All requests, and when the scheduler may see the next one."""

    def __init__(self, traffic: Traffic, scheduler: Scheduler) -> None:
        self.traffic, self.facts = traffic, scheduler
        self.count = len(traffic)
        self.half_way = scheduler.transit_s / 2
        self.sent = array("d", bytes(8 * self.count))
        self.front_free = 0.0
        self.next_request = 0
        self.open = traffic.concurrency is None and traffic.next_turn is None
        """Whether requests come by themselves."""
        if traffic.next_turn is not None:
            later = set(traffic.next_turn)
            first = [i for i in range(self.count) if i not in later]
        else:
            self.next_request = min(traffic.concurrency or 1, self.count)
            first = list(range(self.next_request))
        self.pending = [(self._arrival(i), i) for i in first]
        """Heap of (sent, request)."""
        heapify(self.pending)
        self.seen_at = math.inf
        """When the scheduler may see the next one."""
        self._look_ahead()

    def _arrival(self, request: int) -> float:
        arrivals = self.traffic.arrival_s
        return arrivals[request] if arrivals is not None else 0.0

    def _look_ahead(self) -> None:
        if self.pending:
            sent, request = self.pending[0]
            facts, tokens = self.facts, self.traffic.input_tokens[request]
            taken = facts.frontend_s + facts.frontend_s_per_token * tokens
            self.seen_at = max(self.front_free, sent) + taken + self.half_way
        else:
            self.seen_at = math.inf

    def see(self) -> int:
        """The next request comes to the scheduler's queue."""
        self.front_free = self.seen_at - self.half_way
        sent, request = heappop(self.pending)
        self.sent[request] = sent
        if self.open and self.next_request < self.count:
            heappush(self.pending, (self._arrival(self.next_request), self.next_request))
            self.next_request += 1
        self._look_ahead()
        return request

    def answered(self, request: int, at: float) -> int | None:
        """What the client sends when it has an answer; None: nothing."""
        traffic = self.traffic
        if traffic.next_turn is not None:
            following = traffic.next_turn[request]
            if following < 0:
                return None
            at += traffic.think_s
        elif self.open or self.next_request >= self.count:
            return None
        else:
            following = self.next_request
            self.next_request += 1
            at = max(at, self._arrival(following))
        heappush(self.pending, (at, following))
        if self.pending[0][1] == following:
            self._look_ahead()
        return following
