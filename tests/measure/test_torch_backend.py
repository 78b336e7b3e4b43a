"""The PyTorch backend on CPU tensors: what runs, what cannot, and that it says why."""

from __future__ import annotations

import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("torch")

from vperf.errors import InputError
from vperf.formats import BF16, FP8_BLOCK, INT4, INT8
from vperf.measure.backend import CannotRunError, OutOfMemoryError
from vperf.measure.constants import Sizes, probes
from vperf.measure.torch_backend import TorchBackend, open_backend
from vperf.model.ops import Linear, Op, Step, Visibility, attention, matmul

TINY = Sizes(
    gemm=64, heads=4, kv_heads=2, head_dim=16, prompt_long=64, prompt_short=32, prompt_floor=17,
    decode_keys=16, blocks_batch=4, blocks_keys=4, experts=4, active=2, expert_hidden=32,
    expert_width=16, moe_tokens=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def backend() -> TorchBackend:
    return open_backend("cpu", seconds=1e-4)


def linear(fmt: object) -> Op:
    (op,) = matmul("w", (Linear("w", 64, 32, fmt),), 4)  # type: ignore[arg-type]
    return op


def test_every_probe_of_a_16_bit_card_runs(backend: TorchBackend) -> None:
    for probe in probes(TINY, ("bf16",)):
        timing = backend.time([probe.op])
        assert 0.0 < timing.best_s <= timing.median_s, probe.words


def test_8_bit_matmuls_run_with_and_without_quantizing_their_activations(
    backend: TorchBackend,
) -> None:
    for quantize in (True, False):
        assert backend.time([linear(INT8)], quantize=quantize).best_s > 0


@pytest.mark.parametrize("fmt", [INT4, FP8_BLOCK])
def test_a_format_without_a_kernel_is_said(backend: TorchBackend, fmt: object) -> None:
    with pytest.raises(CannotRunError, match="no matmul kernel for"):
        backend.time([linear(fmt)])


def attend(step: Step, **options: object) -> Op:
    return attention(
        "a", step, heads=4, kv_heads=2, qk_dim=16, v_dim=16, **{"cache": BF16, **options}  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_window_in_prefill_cannot_run_but_in_decode_it_can(backend: TorchBackend) -> None:
    window = Visibility(window=8)
    assert backend.time([attend(Step(1, 1, 64), visibility=window)]).best_s > 0
    with pytest.raises(CannotRunError, match="sliding window"):
        backend.time([attend(Step(1, 32, 0), visibility=window)])


def test_an_8_bit_cache_cannot_be_read(backend: TorchBackend) -> None:
    with pytest.raises(CannotRunError, match="reads no int8 cache"):
        backend.time([attend(Step(1, 1, 64), cache=INT8)])


def test_what_does_not_fit_is_out_of_memory_before_anything_is_allocated(
    backend: TorchBackend,
) -> None:
    (op,) = matmul("w", (Linear("w", 10**7, 10**7, BF16),), 1)
    with pytest.raises(OutOfMemoryError, match="GB are free"):
        backend.time([op])


def test_copy_launch_and_facts(backend: TorchBackend) -> None:
    assert backend.copy(1e6).best_s > 0
    launch = backend.launch()
    assert launch.eager_s > 0
    assert launch.graph_s is None
    assert backend.device.kind == "cpu"
    assert backend.device.memory_bytes > 1e8
    assert backend.device.framework.startswith("PyTorch ")


def test_a_device_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="not one of cuda, mps, cpu"):
        open_backend("tpu", seconds=0.1)
    import torch  # noqa: PLC0415

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="finds no cuda device"):
        open_backend("cuda", seconds=0.1)
