"""What the state of a card warns of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.measure.fake import H100
from vperf.measure.state import Watch, Watched, warnings_of
from vperf.sources.gpus import gpu_table
from vperf.sources.local_gpu import LocalCard, Reading

FACTS = gpu_table("h100-sxm-80gb")
LOADED = replace(H100.now, temperature_c=61.0, power_w=690.0, utilization=1.0)


def watched(card: LocalCard = H100, *, before: Reading = H100.now, loaded: Reading = LOADED):  # type: ignore[no-untyped-def]
    return warnings_of(Watched(card, before, (loaded,), before), FACTS)


def test_a_card_as_it_should_be_warns_of_nothing() -> None:
    assert watched() == ()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (watched(replace(H100, power_cap_w=400.0)), "power cap 400 W, below the card's default"),
        (watched(loaded=replace(LOADED, throttle=("power cap",))), "held back under load: power"),
        (watched(before=replace(H100.now, processes=1)), "another program uses the GPU"),
        (watched(before=replace(H100.now, processes=3)), "3 other programs use the GPU"),
        (watched(before=replace(H100.now, utilization=0.5)), "50% busy before"),
        (
            watched(before=replace(H100.now, processes=None, memory_used_bytes=9e9)),
            "9.0 GB of the GPU's memory were in use",
        ),
    ],
)
def test_a_card_that_is_not_warns_once(lines: tuple[str, ...], words: str) -> None:
    assert len(lines) == 1
    assert words in lines[0]


def test_a_narrow_pcie_link_is_said_but_one_that_idles_is_not() -> None:
    idle = replace(H100.now, pcie_generation=1)
    assert watched(before=idle) == ()
    narrow = replace(LOADED, pcie_generation=4, pcie_lanes=8)
    lines = watched(before=replace(idle, pcie_lanes=8), loaded=narrow)
    assert lines == ("PCIe 4.0 x8 under load, the card has 5.0 x16",)


def test_no_tool_no_warnings() -> None:
    assert warnings_of(Watched(None, Reading(), (), Reading()), {}) == ()


def test_the_watch_finds_its_card_among_others_and_follows_it() -> None:
    other = replace(H100, name="NVIDIA T4")
    hot = replace(H100, now=LOADED)
    answers = iter([(other, H100), (other, hot), (other, H100)])
    watch = Watch(H100.name, cards=lambda: next(answers))
    watch.under_load()
    seen = watch.ended()
    assert seen.card == H100
    assert seen.before == seen.after == H100.now
    assert seen.loaded == (LOADED,)


def test_of_two_like_cards_the_second_is_watched_when_asked_for() -> None:
    second = replace(H100, power_cap_w=300.0)
    assert Watch(H100.name, 1, lambda: (H100, second)).card == second
