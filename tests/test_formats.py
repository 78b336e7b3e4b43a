"""Number formats: scales and zero points are bytes, and the pipe follows the card."""

from __future__ import annotations

import pytest

from vperf.errors import InputError, UnknownNameError
from vperf.formats import (
    AWQ,
    BF16,
    FORMATS,
    FP8,
    FP8_BLOCK,
    INT4,
    MXFP4,
    NVFP4,
    Format,
    cache_format_named,
    format_named,
)

HOPPER = {"bf16", "fp16", "fp8", "int8", "fp32"}
BLACKWELL = HOPPER | {"fp4"}
AMPERE = {"bf16", "fp16", "int8", "fp32"}


def test_a_bf16_weight_takes_two_bytes_an_element() -> None:
    assert BF16.stored_bytes(4096, 14336) == 2 * 4096 * 14336


def test_block_fp8_adds_a_float_per_128_by_128_block_rounded_up() -> None:
    assert FP8_BLOCK.stored_bytes(7168, 2048) == 7168 * 2048 + 4 * 56 * 16
    assert FP8_BLOCK.stored_bytes(129, 1) == 129 + 4 * 2


def test_per_channel_fp8_adds_a_float_per_output() -> None:
    assert FP8.stored_bytes(4096, 1024) == 4096 * 1024 + 4 * 4096


def test_four_bit_formats_count_their_scales() -> None:
    assert NVFP4.bytes_per_element == 0.5625  # 4 bits and an fp8 scale per 16
    assert MXFP4.bytes_per_element == 0.53125  # 4 bits and an 8-bit scale per 32
    assert AWQ.bytes_per_element == 0.5 + 2.5 / 128  # fp16 scale and a 4-bit zero point per 128


def test_fp8_multiplies_in_fp8_where_the_card_has_it_and_in_16_bit_elsewhere() -> None:
    assert FP8.path(HOPPER).pipe == "fp8"
    assert FP8.path(AMPERE).pipe == "bf16"
    assert FP8.path({"fp16"}).pipe == "fp16"


def test_weight_only_int4_never_uses_a_low_precision_pipe() -> None:
    assert INT4.path(BLACKWELL).pipe == "bf16"


def test_mxfp4_uses_fp8_activations_only_on_cards_that_mix_fp4_and_fp8() -> None:
    assert MXFP4.path(BLACKWELL).pipe == "fp8"
    assert MXFP4.path(HOPPER).pipe == "bf16"


def test_a_card_without_any_usable_pipe_is_refused() -> None:
    with pytest.raises(InputError, match="no compute peak"):
        BF16.path({"int8"})


@pytest.mark.parametrize(
    ("name", "format_name"),
    [("FP8", "fp8"), ("w4a16", "int4"), ("bfloat16", "bf16"), ("fp8-block", "fp8_block")],
)
def test_usual_spellings_of_a_format_are_known(name: str, format_name: str) -> None:
    assert format_named(name).name == format_name


def test_an_unknown_format_lists_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        format_named("fp9")
    assert "fp8" in caught.value.nearest


def test_an_unknown_cache_format_is_refused() -> None:
    assert cache_format_named("fp8_e4m3").bits == 8
    with pytest.raises(UnknownNameError):
        cache_format_named("int3")


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
def test_every_format_falls_back_to_16_or_32_bit_arithmetic(fmt: Format) -> None:
    assert fmt.path({"fp32"}).activation_bits >= 16
    assert fmt.stored_bytes(1, 1) > 0


def test_which_formats_multiply_in_fp8_is_not_told_by_their_names() -> None:
    names = ("fp8", "fp8_tensor", "fp8_block", "mxfp8", "fp8_w8a16", "int8", "mxfp4", "bf16")
    found = [fmt for fmt in map(format_named, names) if isinstance(fmt, Format)]
    assert [fmt.name for fmt in found if fmt.multiplies_fp8] == [
        "fp8",
        "fp8_tensor",
        "fp8_block",
        "mxfp8",
    ]
