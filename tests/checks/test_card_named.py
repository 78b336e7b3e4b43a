"""Names of drivers and backends: the card that is meant."""

from __future__ import annotations

import pytest

from vperf.checks.card_named import card_named
from vperf.errors import InputError
from vperf.sources.gpus import load_gpu


@pytest.mark.parametrize(
    ("said", "card"),
    [
        ("Radeon 8060S Graphics (RADV STRIX_HALO)", "strix-halo"),
        ("AMD Radeon Graphics (RADV GFX1151)", "strix-halo"),
        ("AMD Radeon RX 7900 XT (RADV NAVI31)", "rx-7900-xt"),
        ("Intel(R) Arc(TM) B580 Graphics (BMG G21)", "arc-b580"),
        ("AMD Instinct MI300X VF", "mi300x"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
    ],
)
def test_brackets_and_driver_words_do_not_hide_the_card(said: str, card: str) -> None:
    assert load_gpu(card_named(said)).id == card


def test_a_name_of_many_chips_is_refused_with_where_it_came_from() -> None:
    with pytest.raises(InputError, match="the result's card is 'AMD Radeon Graphics'") as error:
        card_named("AMD Radeon Graphics")
    assert "--gpu" in error.value.hint
