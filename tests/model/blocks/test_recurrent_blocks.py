"""Mamba, short convolutions, RG-LRU and RWKV-4: state, traffic and FLOPs by hand."""

from __future__ import annotations

import pytest

from vperf.errors import InputError
from vperf.formats import BF16
from vperf.model.blocks import mamba, rg_lru, rwkv, short_conv
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import Config
from vperf.model.ops import Op, Step

SCOPE = Scope("", lambda *_: BF16)
DECODE = Step(3, 1, 1000)
PREFILL = Step(3, 700, 0)


def read_mamba(**changes: object) -> mamba.Mamba:
    return mamba.read_mamba(
        Config({"hidden_size": 64, **changes}, "config.json"),
        SCOPE, inner=128, state=16, kernel=4, rank_key="rank", bias=False, conv_bias=True,
    )  # fmt: skip


def read_mamba2() -> Block:
    return mamba.read_mamba2(
        Config({"hidden_size": 64}, "config.json"), SCOPE, heads=8, head_dim=12, groups=2,
        state=16, kernel=4, chunk=64, in_bias=False, out_bias=False, conv_bias=True,
    )  # fmt: skip


CONV = short_conv.read(Config({"hidden_size": 64, "conv_L_cache": 3}, "x"), SCOPE)
GRIFFIN = rg_lru.read(
    Config({"hidden_size": 64, "num_attention_heads": 4, "conv1d_width": 4}, "x"), SCOPE
)
RWKV = Config({"hidden_size": 64}, "x")

# The block and the bytes of its state: recurrences in fp32, inputs of convolutions in 16 bit.
BLOCKS = [
    (read_mamba(), 128 * 16 * 4 + 128 * 3 * 2),
    (read_mamba2(), 8 * 12 * 16 * 4 + (8 * 12 + 2 * 2 * 16) * 3 * 2),
    (CONV, 64 * 2 * 2),
    (GRIFFIN, 64 * 4 + 64 * 3 * 2),
    (rwkv.read_time_mix(RWKV, SCOPE), 64 * 3 * 4 + 64 * 2),
]


@pytest.mark.parametrize(("block", "state"), BLOCKS)
def test_state_is_read_and_written_each_step_for_each_sequence(block: Block, state: int) -> None:
    assert block.state_bytes == state
    assert traffic(block, DECODE) == 3 * 2 * state
    assert traffic(block, PREFILL) == 3 * state


@pytest.mark.parametrize(("block", "state"), BLOCKS)
def test_nothing_grows_with_context(block: Block, state: int) -> None:
    assert block.cache_elements == block.cached_tokens(10**6) == 0
    assert block.windows == ()
    assert block.ops(Step(3, 1, 10), BF16) == block.ops(Step(3, 1, 10**6), BF16)


@pytest.mark.parametrize(("block", "state"), BLOCKS)
def test_prefill_work_is_linear_in_tokens(block: Block, state: int) -> None:
    short = sum(op.flops for op in block.ops(Step(1, 640, 0), BF16))
    long = sum(op.flops for op in block.ops(Step(1, 6400, 0), BF16))
    assert long == pytest.approx(10 * short)


def test_selective_scan_is_seven_flops_a_state_element() -> None:
    scan = named(read_mamba(), DECODE, "selective_scan")
    assert scan.flops == 7 * 3 * 128 * 16
    assert named(read_mamba(), PREFILL, "selective_scan").flops == 7 * 3 * 700 * 128 * 16


def test_mamba_step_size_rank_is_a_sixteenth_of_the_width_unless_stated() -> None:
    assert read_mamba().dt_proj.in_features == read_mamba(rank="auto").dt_proj.in_features == 4
    assert read_mamba(rank=7).dt_proj.in_features == 7
    with pytest.raises(InputError, match=r"config\.json: rank: must be an integer"):
        read_mamba(rank="tall")


def test_mamba2_in_proj_makes_gate_x_b_c_and_step_sizes() -> None:
    (_, in_proj), (_, out_proj) = read_mamba2().linears
    assert (in_proj.in_features, in_proj.out_features) == (64, 2 * 96 + 2 * 2 * 16 + 8)
    assert (out_proj.in_features, out_proj.out_features) == (96, 64)


def test_short_convolution_is_two_flops_a_tap() -> None:
    assert named(CONV, DECODE, "short_conv").flops == 2 * 3 * 64 * 3


def test_griffin_gates_are_block_diagonal() -> None:
    gates = named(GRIFFIN, Step(1, 1, 1), "rg_lru_gates")
    assert gates.flops == 2 * 2 * 64 * (64 // 4)


def test_rwkv_channel_mix_keeps_the_token_before() -> None:
    block = rwkv.read_channel_mix(RWKV, SCOPE)
    assert block.state_bytes == 64 * 2
    assert sum(w.parameters for _, w in block.linears) == 2 * 64 * 256 + 64 * 64


def traffic(block: Block, step: Step) -> float:
    return sum(op.cache_bytes for op in block.ops(step, BF16))


def named(block: Block, step: Step, name: str) -> Op:
    (found,) = (op for op in block.ops(step, BF16) if op.name == name)
    return found


def test_rwkv_channel_mix_moves_two_mixes_and_a_gate_of_its_width_and_squares_the_rest() -> None:
    block = rwkv.read_channel_mix(Config({"hidden_size": 64, "intermediate_size": 256}, "x"), SCOPE)
    assert block.elementwise_elements == 6 * 64 + 2 * 256


def test_a_scan_has_a_block_for_every_sequence() -> None:
    (scan,) = (op for op in read_mamba().ops(DECODE, BF16) if op.name == "selective_scan")
    assert scan.blocks == 3
