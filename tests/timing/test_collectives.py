"""Collectives: the bound is the link, the expectation latency plus message over rate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vperf.model.divide import collective
from vperf.model.ops import Op
from vperf.sources.gpus import load_gpu
from vperf.timing import collectives

H100, L40S = load_gpu("h100-sxm"), load_gpu("l40s")


def all_reduce(elements: float, ranks: int) -> Op:
    return collective("all-reduce", "allreduce", elements, ranks)


def test_an_all_reduce_moves_its_message_almost_twice_over_the_link() -> None:
    message = 2 * 4096 * 8192
    card = load_gpu("a100-sxm")
    op = all_reduce(4096 * 8192, 8)
    assert collectives.limit_s(op, card) == pytest.approx(2 * message * 7 / 8 / 300e9)


def test_a_switch_that_adds_needs_the_message_only_once() -> None:
    # 8-GPU all-reduces on H100 measure up to 4 % faster than two passes would allow.
    message = 2 * 4096 * 8192
    op = all_reduce(4096 * 8192, 8)
    assert collectives.limit_s(op, H100) == pytest.approx(message / 450e9)
    assert collectives.limit_s(all_reduce(4096 * 8192, 2), H100) == pytest.approx(message / 450e9)


def test_cards_without_a_link_talk_over_pcie() -> None:
    assert collectives.link_bytes_per_s(L40S) == L40S.pcie_bytes_per_s
    op = all_reduce(1e6, 4)
    assert collectives.limit_s(op, L40S) > 10 * collectives.limit_s(op, H100)


def test_a_measured_group_size_is_used_as_measured() -> None:
    assert H100.achieved is not None
    line = H100.achieved.all_reduce[8]
    op = all_reduce(1e6, 8)
    assert collectives.expected_s(op, H100) == pytest.approx(line.seconds(2e6))
    small, large = line.latency_s, line.large_latency_s
    assert line.seconds(1e3) == pytest.approx(small + 1e3 / line.bytes_per_s)
    assert line.seconds(1e9) == pytest.approx(large + 1e9 / line.large_bytes_per_s)


@given(st.floats(1, 1e9), st.sampled_from([2, 4, 8]), st.booleans())
def test_no_exchange_is_expected_faster_than_its_limit(
    elements: float, ranks: int, generic: bool
) -> None:
    for card in (H100, L40S, load_gpu("b200")):
        gpu = replace(card, achieved=None) if generic else card
        for kind in ("allreduce", "alltoall"):
            op: Op = collective("x", kind, elements, ranks)
            assert collectives.expected_s(op, gpu) >= collectives.limit_s(op, gpu)


def test_an_engines_share_of_the_latency_holds_over_switches_that_add_only() -> None:
    small = all_reduce(4096, 4)
    for card, holds in ((H100, True), (load_gpu("a100-sxm"), False), (L40S, False)):
        full, share = (collectives.expected_s(small, card, latency) for latency in (1.0, 0.5))
        saved = 0.5 * collectives.all_reduce_line(card, 4).latency_s
        assert full - share == pytest.approx(saved if holds else 0.0)
