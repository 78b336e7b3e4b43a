"""The FLOPs that ops.recurrent claims, against the recurrences themselves, counted as they run."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from vperf.errors import InputError
from vperf.formats import BF16
from vperf.model.blocks.base import Scope
from vperf.model.blocks.linear_attention import read_gated_delta_net, read_mlstm
from vperf.model.checkpoint import Config
from vperf.model.ops import Op, Step, recurrent

Vector = list[float]
Matrix = list[Vector]

KEY, VALUE, TOKENS, CHUNK = 3, 2, 23, 5


class Counted:
    """Arithmetic that counts its FLOPs."""

    def __init__(self) -> None:
        self.flops = 0

    def dot(self, x: Vector, y: Vector) -> float:
        self.flops += 2 * len(x)
        return sum(a * b for a, b in zip(x, y, strict=True))

    def through(self, state: Matrix, x: Vector) -> Vector:
        """S' x."""
        self.flops += 2 * KEY * VALUE
        return [sum(state[i][j] * x[i] for i in range(KEY)) for j in range(VALUE)]

    def update(self, state: Matrix, k: Vector, v: Vector) -> Matrix:
        """S + k v'."""
        self.flops += 2 * KEY * VALUE
        return [[state[i][j] + k[i] * v[j] for j in range(VALUE)] for i in range(KEY)]

    def decay(self, state: Matrix, a: float) -> Matrix:
        self.flops += KEY * VALUE
        return [[a * s for s in row] for row in state]

    def add_scaled(self, x: Vector, y: Vector, a: float) -> Vector:
        """x + a y."""
        self.flops += 2 * len(x)
        return [p + a * q for p, q in zip(x, y, strict=True)]


def tokens(seed: int) -> tuple[Matrix, Matrix, Matrix, Vector]:
    rng = random.Random(seed)

    def matrix(width: int) -> Matrix:
        return [[rng.uniform(-1, 1) for _ in range(width)] for _ in range(TOKENS)]

    return matrix(KEY), matrix(KEY), matrix(VALUE), [rng.random() for _ in range(TOKENS)]


def token_by_token(count: Counted, *, delta: bool, decay: float) -> Matrix:
    queries, keys, values, betas = tokens(1)
    state: Matrix = [[0.0] * VALUE for _ in range(KEY)]
    outputs = []
    for q, k, v, b in zip(queries, keys, values, betas, strict=True):
        state = count.decay(state, decay)
        new = v
        if delta:
            new = [b * (x - y) for x, y in zip(v, count.through(state, k), strict=True)]
        state = count.update(state, k, new)
        outputs.append(count.through(state, q))
    return outputs


def chunk_by_chunk(count: Counted, *, delta: bool) -> Matrix:
    """Without decay, which scales by vectors only."""
    queries, keys, values, betas = tokens(1)
    state: Matrix = [[0.0] * VALUE for _ in range(KEY)]
    outputs: Matrix = []
    for first in range(0, TOKENS, CHUNK):
        rows = range(first, min(first + CHUNK, TOKENS))
        new = {i: values[i] for i in rows}
        if delta:
            old = {i: count.through(state, keys[i]) for i in rows}
            for i in rows:
                solved = [x - y for x, y in zip(values[i], old[i], strict=True)]
                for j in range(first, i):
                    solved = count.add_scaled(solved, new[j], -count.dot(keys[i], keys[j]))
                new[i] = [betas[i] * x for x in solved]
        for i in rows:
            output = count.through(state, queries[i])
            for j in range(first, i + 1):
                output = count.add_scaled(output, new[j], count.dot(queries[i], keys[j]))
            outputs.append(output)
        for i in rows:
            state = count.update(state, keys[i], new[i])
    return outputs


def op(step: Step, *, delta: bool, heads: int = 1, chunk: int = CHUNK) -> Op:
    return recurrent(
        "r", step, heads=heads, key_heads=heads, key_dim=KEY, value_dim=VALUE,
        state_bytes=4 * KEY * VALUE, delta=delta, chunk=chunk,
    )  # fmt: skip


@pytest.mark.parametrize("delta", [False, True])
def test_chunks_compute_what_the_recurrence_does(delta: bool) -> None:
    one, other = Counted(), Counted()
    by_token = token_by_token(one, delta=delta, decay=1.0)
    by_chunk = chunk_by_chunk(other, delta=delta)
    for x, y in zip(by_token, by_chunk, strict=True):
        assert x == pytest.approx(y)


@pytest.mark.parametrize("delta", [False, True])
def test_decode_flops_are_those_of_the_recurrence(delta: bool) -> None:
    count = Counted()
    token_by_token(count, delta=delta, decay=0.9)
    assert op(Step(TOKENS, 1, 100), delta=delta).flops == count.flops


@pytest.mark.parametrize("delta", [False, True])
def test_prefill_flops_are_those_of_the_chunks(delta: bool) -> None:
    count = Counted()
    chunk_by_chunk(count, delta=delta)
    assert op(Step(1, TOKENS, 0), delta=delta).flops == count.flops


def test_shared_keys_are_multiplied_once_a_group() -> None:
    """Mamba-2's C B' is one matmul a group, not a head."""
    step = Step(1, 64, 0)

    def flops(groups: int) -> float:
        return recurrent(
            "ssd", step, heads=8, key_heads=groups, key_dim=16, value_dim=4,
            state_bytes=0, delta=False, chunk=64,
        ).flops  # fmt: skip

    pairs = 64 * 65 // 2
    assert flops(8) - flops(1) == 2 * pairs * 7 * 16


def test_work_per_token_does_not_grow_with_the_prompt_nor_with_the_past() -> None:
    per_token = [op(Step(1, n, 0), delta=True).flops / n for n in (50, 500, 50_000)]
    assert per_token == [per_token[0]] * 3
    assert op(Step(1, 1, 1), delta=True) == op(Step(1, 1, 10**6), delta=True)


def test_a_state_is_read_and_written_and_the_first_one_only_written() -> None:
    state = 4 * KEY * VALUE
    assert op(Step(5, 1, 9), delta=False).cache_bytes == 2 * 5 * state
    assert op(Step(5, 100, 0), delta=False).cache_bytes == 5 * state
    assert op(Step(5, 100, 100), delta=False).cache_bytes == 2 * 5 * state


def test_more_tokens_in_a_step_are_never_fewer_flops() -> None:
    for delta in (False, True):
        flops = [op(Step(1, n, 7), delta=delta, chunk=64).flops for n in range(17, 300)]
        assert all(a < b for a, b in pairwise(flops))


QWEN = {
    "hidden_size": 2048, "linear_num_key_heads": 16, "linear_num_value_heads": 32,
    "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4,
}  # fmt: skip


def test_qwen3_next_state_is_fp32_matrices_and_three_16_bit_inputs() -> None:
    block = read_gated_delta_net(Config(QWEN, "x"), Scope("", lambda *_: BF16), layout="fused")
    assert block.state_bytes == 32 * 128 * 128 * 4 + 3 * (2 * 16 + 32) * 128 * 2
    half = read_gated_delta_net(
        Config(QWEN | {"mamba_ssm_dtype": "bfloat16"}, "x"),
        Scope("", lambda *_: BF16), layout="fused",
    )  # fmt: skip
    assert block.state_bytes - half.state_bytes == 32 * 128 * 128 * 2


def test_layouts_store_the_same_parameters() -> None:
    scope = Scope("", lambda *_: BF16)

    def parameters(layout: str) -> int:
        block = read_gated_delta_net(Config(QWEN, "x"), scope, layout=layout)  # type: ignore[arg-type]
        return block.vectors + sum(n * w.parameters for n, w in block.linears)

    # 2048 x (2 x 2048 + 2 x 4096 + 64) + 4096 x 2048, convolution, 2 x 32 and a norm of 128.
    assert parameters("fused") == 2048 * 12352 + 4096 * 2048 + 4 * 8192 + 64 + 128
    assert parameters("split") == parameters("apart") == parameters("fused")


def test_mlstm_keeps_a_normalizer_beside_the_matrix() -> None:
    config = Config({"hidden_size": 64, "num_heads": 4}, "x")
    block = read_mlstm(config, Scope("", lambda *_: BF16), keys=32, values=64)
    assert block.state_bytes == 4 * 4 * (8 * 16 + 8 + 1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"linear_num_key_heads": 5}, "linear_num_key_heads"),
        ({"linear_key_head_dim": 0}, "linear_key_head_dim"),
        ({"mamba_ssm_dtype": "int4"}, "mamba_ssm_dtype"),
        ({"mamba_ssm_dtype": 32}, "mamba_ssm_dtype"),
    ],
)
def test_errors_name_file_and_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(InputError, match=f"config.json: {field}"):
        read_gated_delta_net(
            Config(QWEN | change, "config.json"), Scope("", lambda *_: BF16), layout="split"
        )


def test_a_key_head_that_all_share_is_not_divided() -> None:
    def divided(key_heads: int) -> list[int]:
        config = Config({**QWEN, "linear_num_key_heads": key_heads}, "x")
        scope = Scope("", lambda *_: BF16)
        return [n for n, _ in read_gated_delta_net(config, scope, layout="fused").divided]

    assert [divided(16), divided(2), divided(1)] == [[32, 16], [32, 2], [32]]
