"""Layers on several places: times against hand calculations, and the laws they keep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vperf
from vperf import Scenario
from vperf.errors import InputError
from vperf.estimate import estimate
from vperf.hardware.gpu import Gpu
from vperf.resolve import Resolver
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.sources.hosts import load_host
from vperf.timing.placed import _both_ways, _moved, _visited
from vperf.timing.step import Card

DENSE, EXPERTS, SMALL = "Qwen/Qwen3-32B", "openai/gpt-oss-120b", "Qwen/Qwen3-30B-A3B"
RESOLVER = Resolver()


def at(model: str, gpu: str | Gpu = "rtx-4090", **options: Any) -> Any:
    scenario = Scenario(model, gpu, **{"engine": "llama.cpp", **options})
    return RESOLVER.deployment(scenario).compiled


def host(name: str = "desktop-ddr5") -> Gpu:
    return load_host(name)


def test_experts_on_the_host_are_read_at_its_bandwidth_all_else_at_the_cards() -> None:
    """gpt-oss-120b: 36 layers, 4 of 128 experts a token, each 3 x 2880 x 2880 in 4.25 bits and
    three 16-bit biases; the rest of a step's bytes stay on the card."""
    expert = 3 * 2880 * 2880 * 4.25 / 8 + 2 * 3 * 2880
    on_host = 36 * 4 * expert
    compiled = at(EXPERTS, n_cpu_moe=36, host="desktop-ddr5")
    alone = at(EXPERTS)
    _, on_card, _ = alone.sides([_decode()])
    card, board = compiled.card.gpu, host()
    whole = on_card * card.memory_bandwidth + card.l2_bytes
    # The card is visited before, between and after 36 layers of experts; so is the host 36 times.
    near = max(0.0, whole - on_host - 37 * card.l2_bytes - _routers()) / card.memory_bandwidth
    far = max(0.0, on_host - 36 * board.l2_bytes) / board.memory_bandwidth
    never = (on_host - board.l2_bytes) / board.memory_bandwidth  # not even at all visits together
    assert compiled.decode(1, 1000).limit == pytest.approx(max(near + far, never), rel=2e-3)
    assert never > near + far


def _decode() -> Any:
    from vperf.model.ops import Step  # noqa: PLC0415
    from vperf.timing.passes import Pass  # noqa: PLC0415

    return Pass(Step(1, 1, 1000))


def _routers() -> float:
    return 36 * 2 * (2880 * 128 + 128)


def test_a_dense_models_layers_take_their_bytes_over_the_bandwidth_of_their_place() -> None:
    """Of 64 equal layers 20 and the output are on the card (-ngl 21): 44/64 of the layers' weights
    and cache come from the host's memory."""
    compiled = at(DENSE, n_gpu_layers=21, host="desktop-ddr5")
    model = compiled.model
    layer = sum(n * w.stored_bytes for b in model.kinds[0][1].blocks for n, w in b.linears)
    cache = model.kv_bytes_per_token * 1000 / 64
    norms = model.vector_bytes * (model.kinds[0][1].vectors + model.hidden / 64)
    card, board = compiled.card.gpu, host()
    far = (44 * (layer + cache + norms) - board.l2_bytes) / board.memory_bandwidth
    head = model.head.stored_bytes
    near = (20 * (layer + cache + norms) + head - card.l2_bytes) / card.memory_bandwidth
    assert compiled.decode(1, 1000).limit == pytest.approx(far + near, rel=1e-3)


def test_a_long_prompt_sends_the_hosts_weights_over_the_link_once_for_every_part() -> None:
    """llama.cpp reads 512 tokens at a time, and sends the weights of all layers each time."""
    one, two = (at(DENSE, n_gpu_layers=0).prefill(1, n).expected for n in (512, 1024))
    compiled = at(DENSE, n_gpu_layers=0)
    model, use = compiled.model, compiled.card.engine.host
    layers = sum(
        count * n * w.stored_bytes
        for count, kind in model.kinds for b in kind.blocks for n, w in b.linears
    )  # fmt: skip
    sent = (layers + model.head.stored_bytes) / (31.5e9 * use.link_share)
    assert one > sent
    assert two - one > sent
    assert one == pytest.approx(sent, rel=0.2)


def test_a_short_prompt_is_computed_by_the_host() -> None:
    compiled = at(DENSE, n_gpu_layers=0, host="desktop-ddr5")
    phase = compiled.itemise([_pass(31)])
    assert {place.place for place in phase.places} == {"desktop-ddr5"}
    sent = compiled.itemise([_pass(32)])
    assert "link" in {place.place for place in sent.places}


def test_a_host_that_nobody_names_has_room_for_what_lies_on_it() -> None:
    small = at(DENSE, n_gpu_layers=33)
    large = at("deepseek-ai/DeepSeek-V3", quantization="q4_k_m", cpu_moe=True)
    assert [at.places.host.id for at in (small, large)] == ["desktop-ddr5", "server-ddr5"]


def _pass(tokens: int) -> Any:
    from vperf.model.ops import Step  # noqa: PLC0415
    from vperf.timing.passes import Pass  # noqa: PLC0415

    return Pass(Step(1, tokens, 0))


def test_weights_in_host_memory_cross_the_link_at_every_step() -> None:
    """16 GiB over PCIe 4.0 x16, 31.5 GB/s: 0.545 s a token and no less."""
    scenario = Scenario(DENSE, "rtx-4090", quantization="fp8", cpu_offload_gb=16)
    compiled = RESOLVER.deployment(scenario).compiled
    assert compiled.decode(1, 500).limit == pytest.approx(16 * 2**30 / 31.5e9, rel=1e-6)
    assert compiled.decode(64, 500).limit == pytest.approx(16 * 2**30 / 31.5e9, rel=1e-6)
    assert 0.6 < compiled.decode(1, 500).expected < 0.9


@pytest.mark.parametrize(
    "options",
    [
        {"n_gpu_layers": 99},
        {"n_gpu_layers": -1},
        {"n_cpu_moe": 0},
        {"tensor_split": "1"},
        {"override_tensor": ["nothing=CPU"]},
    ],
)
def test_everything_on_the_card_is_no_offload(options: dict[str, Any]) -> None:
    plain = RESOLVER.deployment(Scenario(SMALL, "rtx-4090", engine="llama.cpp"))
    moved = RESOLVER.deployment(Scenario(SMALL, "rtx-4090", engine="llama.cpp", **options))
    one, other = moved.compiled, plain.compiled
    assert one.decode(1, 700) == pytest.approx(other.decode(1, 700), rel=1e-9)
    assert one.prefill(2, 900) == pytest.approx(other.prefill(2, 900), rel=1e-9)
    assert estimate(moved).memory == estimate(plain).memory


def test_everything_on_the_first_of_unlike_cards_takes_what_it_takes_alone() -> None:
    both = at(SMALL, "rtx-4090+rtx-3060-12gb", tensor_split="1,0")
    assert both.decode(1, 700) == pytest.approx(at(SMALL).decode(1, 700), rel=1e-9)


@pytest.mark.parametrize("model", [DENSE, SMALL, EXPERTS])
def test_a_layer_more_on_the_host_never_makes_a_token_faster(model: str) -> None:
    layers = at(model).model.layer_count
    steps = [at(model, n_gpu_layers=n).decode(1, 2000) for n in range(layers + 1, -1, -7)]
    assert [s.limit for s in steps] == sorted(s.limit for s in steps)
    assert [s.expected for s in steps] == sorted(s.expected for s in steps)


@pytest.mark.parametrize("model", [SMALL, EXPERTS])
def test_experts_of_a_layer_more_on_the_host_never_make_a_token_faster(model: str) -> None:
    layers = at(model).model.layer_count
    steps = [at(model, n_cpu_moe=n).decode(1, 2000) for n in range(0, layers + 1, 6)]
    assert [s.limit for s in steps] == sorted(s.limit for s in steps)
    assert [s.expected for s in steps] == sorted(s.expected for s in steps)


@pytest.mark.parametrize("board", ["desktop-ddr4", "epyc-9654", "2x xeon-gold-6454s"])
def test_a_slower_host_is_never_faster(board: str) -> None:
    own = at(SMALL, n_cpu_moe=99, host=board)
    slower = at(SMALL, n_cpu_moe=99, host=board, host_memory="20 GB/s")
    assert slower.decode(1, 500).expected > own.decode(1, 500).expected
    assert slower.decode(1, 500).limit >= own.decode(1, 500).limit


@given(
    st.sampled_from([{"n_gpu_layers": 9}, {"n_cpu_moe": 20}, {"cpu_moe": True},
                     {"override_tensor": ["ffn_up_exps=CPU"]}]),
    st.integers(1, 80), st.integers(1, 3000), st.integers(0, 20000),
)  # fmt: skip
def test_no_step_is_expected_to_beat_its_limit(
    options: dict[str, Any], batch: int, new: int, past: int
) -> None:
    compiled = at(SMALL, **options)
    for step in (compiled.decode(batch, past), compiled.prefill(batch, new, past)):
        assert 0 < step.limit <= step.expected * (1 + 1e-9)
        assert step.limit <= step.ceiling * (1 + 1e-9)


@given(st.integers(1, 64), st.integers(1, 2000), st.integers(0, 9000))
def test_the_rows_of_a_step_add_up_to_it(batch: int, new: int, past: int) -> None:
    from vperf.model.ops import Step  # noqa: PLC0415
    from vperf.timing.passes import Pass  # noqa: PLC0415

    compiled = at(SMALL, n_cpu_moe=20)
    phase = compiled.itemise([Pass(Step(batch, new, past))])
    whole = compiled.prefill(batch, new, past)
    assert phase.expected_s == pytest.approx(whole.expected, rel=1e-6)
    assert phase.limit_s == pytest.approx(whole.limit, rel=1e-6)
    assert sum(p.share for p in phase.places) == pytest.approx(
        1 - phase.overhead_s / phase.expected_s, rel=1e-6
    )


def test_cards_in_a_layer_split_take_turns_for_a_token_and_overlap_for_a_prompt() -> None:
    alone = at(SMALL)
    both = at(SMALL, "rtx-4090+rtx-4090", tensor_split="1,1")
    token, whole = both.decode(1, 500).expected, alone.decode(1, 500).expected
    assert token == pytest.approx(whole, rel=0.02)
    prompt = both.prefill(1, 8192).expected / alone.prefill(1, 8192).expected
    assert 0.5 < prompt < 0.62


def test_the_slower_of_unlike_cards_costs_what_its_layers_take_longer() -> None:
    fast, slow = (at(SMALL, gpu).decode(1, 500).expected for gpu in ("rtx-4090", "rtx-3060-12gb"))
    mixed = at(SMALL, "rtx-4090+rtx-3060-12gb", tensor_split="1,1").decode(1, 500).expected
    assert min(fast, slow) < mixed < max(fast, slow)
    assert mixed == pytest.approx((fast + slow) / 2, rel=0.05)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "vllm", "n_gpu_layers": 3}, "does not place layers one by one"),
        ({"engine": "llama.cpp", "cpu_offload_gb": 3}, "no such option"),
        ({"engine": "sglang", "n_cpu_moe": 3}, "does not place"),
        ({"tp": 2, "pp": 2, "n_cpu_moe": 3}, "share each layer"),
        ({"tp": 2, "ep": 2, "n_cpu_moe": 3}, "groups of attention or of experts"),
        ({"dp": 2, "n_cpu_moe": 3}, "groups of attention or of experts"),
        ({"override_tensor": ["attn_q=CPU"]}, "moved as one"),
        ({"override_tensor": ["(=CPU"]}, "no regular expression"),
        ({"override_tensor": ["(.+)+x$=CPU"]}, "too costly a pattern"),  # it would never end
        ({"override_tensor": ["exps=GPU7"]}, "neither CPU nor"),
        ({"override_tensor": ["exps"]}, "is not PATTERN=CPU"),
        ({"tensor_split": "1,2"}, "no share for each"),
        ({"host_memory": "much", "n_cpu_moe": 3}, "is not like"),
        ({"host": "Pentium", "n_cpu_moe": 3}, "Pentium"),
    ],
)
def test_what_is_not_understood_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        vperf.estimate(SMALL, "rtx-4090", **options)


DRAFTS: dict[str, Any] = {
    "speculative": "draft_model", "draft_model": "Qwen/Qwen3-0.6B", "draft_tokens": 4,
}  # fmt: skip


def test_a_step_of_drafts_verifies_on_every_place_and_drafts_on_the_card() -> None:
    placed = at(DENSE, n_gpu_layers=21, acceptance=0.7, **DRAFTS)
    on_card = at(DENSE, acceptance=0.7, **DRAFTS)
    from vperf.timing.passes import decode_passes  # noqa: PLC0415

    verify, *drafts = decode_passes(placed.model, 1, 500)
    limits = [placed.passes([each]).limit for each in (verify, *drafts)]
    assert placed.decode(1, 500).limit == pytest.approx(sum(limits))
    # Five tokens are verified at hardly more than the time of one, which the host's memory bounds.
    plain = placed.without_drafts()
    assert limits[0] == pytest.approx(plain.decode(1, 500).limit, rel=0.02)
    same = [placed.kernels_s([each]) for each in drafts]
    assert same == pytest.approx([on_card.kernels_s([each]) for each in drafts])


@pytest.mark.parametrize(
    "options", [{"n_gpu_layers": 21}, {"n_gpu_layers": 0}, {"engine": "vllm", "cpu_offload_gb": 20}]
)
def test_laws_of_drafts_beside_a_host(options: dict[str, Any]) -> None:
    def tpot_s(**more: Any) -> float:
        found = vperf.estimate(DENSE, "rtx-4090", **{"engine": "llama.cpp", **options, **more})
        assert found.limit.tpot_s <= found.expected.tpot_s
        return float(found.expected.tpot_s)

    plain = tpot_s()
    never, always = (tpot_s(acceptance=share, **DRAFTS) for share in (0.0, 1.0))
    assert never >= plain
    assert always == pytest.approx(never / 5)


def test_the_first_card_holds_what_drafts() -> None:
    plain = vperf.estimate(DENSE, "rtx-4090", engine="llama.cpp", n_gpu_layers=21)
    drafts = vperf.estimate(
        DENSE, "rtx-4090", engine="llama.cpp", n_gpu_layers=21, acceptance=0.5, **DRAFTS
    )
    own = vperf.estimate("Qwen/Qwen3-0.6B", "rtx-4090", engine="llama.cpp")
    (card, board), (with_drafts, same) = plain.memory.places, drafts.memory.places
    assert with_drafts.weight_bytes - card.weight_bytes == pytest.approx(own.model.weight_bytes)
    more = with_drafts.kv_cache_bytes - card.kv_cache_bytes
    assert more == pytest.approx(own.memory.kv_cache_bytes)
    assert same == board


def test_mtp_needs_the_output_layer_on_the_card() -> None:
    options: dict[str, Any] = {"speculative": "mtp", "acceptance": 0.5, "draft_tokens": 2}
    model = "Qwen/Qwen3.6-35B-A3B"
    assert at(model, n_cpu_moe=40, **options).decode(1, 500).expected > 0
    with pytest.raises(InputError, match="output layer, which is on the host"):
        at(model, n_gpu_layers=0, **options)


def test_cards_that_share_each_layer_hold_and_read_their_part_of_it_the_host_the_whole() -> None:
    one, two = (at(DENSE, n_gpu_layers=33, tp=n) for n in (1, 2))
    near, far = one.places.placement.shares, two.places.placement.shares
    small = one.model.vector_bytes * 33 * one.model.kinds[0][1].vectors
    assert far[0].held.weight_bytes == pytest.approx(near[0].held.weight_bytes / 2, abs=small)
    assert far[1].held.weight_bytes == pytest.approx(near[1].held.weight_bytes)
    # The card's part of a token is halved, the host's is what it was.
    host_s = at(DENSE, n_gpu_layers=0, host="desktop-ddr5").decode(1, 500).limit * 32 / 64
    card_s = one.decode(1, 500).limit - host_s
    assert two.decode(1, 500).limit == pytest.approx(host_s + card_s / 2, rel=0.03)


def test_everything_on_cards_that_share_each_layer_is_no_offload() -> None:
    plain, moved = at(SMALL, tp=2), at(SMALL, tp=2, n_cpu_moe=0)
    assert moved.decode(4, 700) == pytest.approx(plain.decode(4, 700), rel=1e-9)


@pytest.mark.parametrize("tp", [1, 2, 4])
def test_a_layer_more_on_the_host_never_makes_a_token_faster_on_cards_that_share(tp: int) -> None:
    layers = at(SMALL).model.layer_count
    steps = [at(SMALL, n_cpu_moe=n, tp=tp).decode(1, 2000) for n in range(1, layers + 1, 9)]
    assert [s.limit for s in steps] == sorted(s.limit for s in steps)
    assert [s.expected for s in steps] == sorted(s.expected for s in steps)


def test_cards_that_read_their_weights_from_the_host_share_its_memory() -> None:
    """Four cards read 4 GiB each from 89.6 GB/s: 22.4 GB/s for each, less than its PCIe."""
    options: dict[str, Any] = {"quantization": "fp8", "cpu_offload_gb": 4, "engine": "vllm"}
    four, two = (at(DENSE, tp=n, **options).decode(1, 500).limit for n in (4, 2))
    assert four == pytest.approx(4 * 2**30 / (89.6e9 / 4), rel=1e-6)
    assert two == pytest.approx(4 * 2**30 / 31.5e9, rel=1e-6)


def test_a_split_over_cards_counts_layers_and_output_as_llama_cpp_does() -> None:
    from vperf.model.placement import split_layers  # noqa: PLC0415

    assert split_layers(4, 5, [1, 1], 2) == [0, 0, 0, 1, 1]
    assert split_layers(4, 3, [1, 1], 2) == [2, 2, 0, 0, 1]
    assert split_layers(4, 0, [1], 1) == [1, 1, 1, 1, 1]
    assert split_layers(4, 5, [1, 0], 2) == [0, 0, 0, 0, 0]


def test_bytes_that_cross_a_link_are_its_rows_bytes() -> None:
    item = _moved("weights", 100.0, 1.0, 0.5)
    assert 2.0 * item.elements == 100.0
    assert 2.0 * item.row.input_elements == 100.0
    assert item.expected_s == 1.0  # never below the limit
    card = Card(load_gpu("h100"), load_engine("vllm"))
    assert _visited(card, 1) is card
    assert _visited(card, 2).gpu.l2_bytes == 2 * card.gpu.l2_bytes


def test_unlike_cards_are_all_in_the_answer() -> None:
    one = vperf.estimate("qwen3-8b", "rtx-3090", engine="llama.cpp")
    two = vperf.estimate("qwen3-8b", "rtx-3060+2xrtx-3090", engine="llama.cpp")
    assert not one.gpu.cards
    assert [card.id for card in two.gpu.cards] == ["rtx-3060-12gb", "rtx-3090", "rtx-3090"]
    assert two.gpu.cards[1].memory_bytes == one.gpu.memory_bytes
    assert two.gpu.cards[1].peak_flop_per_s == one.gpu.peak_flop_per_s


# Adapters, and unlike cards that share each layer, or draft -------------------------------------

ADAPTERS: dict[str, Any] = {"lora_rank": 16, "max_loras": 4}


def test_adapters_lie_where_what_they_adapt_does() -> None:
    bare, adapted = at(DENSE, n_gpu_layers=33), at(DENSE, n_gpu_layers=33, **ADAPTERS)
    # q, k, v, o, gate, up and down of a layer: rank 16 x (inputs + outputs) of each, 16 bit.
    hidden, width, heads, kv = 5120, 25600, 64 * 128, 8 * 128
    shapes = [(hidden, heads), (hidden, kv), (hidden, kv), (heads, hidden)]
    shapes += [(hidden, width), (hidden, width), (width, hidden)]
    layer = 4 * 2 * 16 * sum(map(sum, shapes))
    for place, layers in ((0, 32), (1, 32)):
        before, after = (c.places.placement.shares[place].held for c in (bare, adapted))
        assert after.weight_bytes - before.weight_bytes == pytest.approx(layers * layer)
        assert after.adapter_bytes == pytest.approx(layers * layer)
    assert adapted.decode(4, 500).limit > bare.decode(4, 500).limit


def test_adapters_of_experts_go_with_them() -> None:
    options: dict[str, Any] = {"lora_rank": 16, "lora_targets": "experts"}
    whole, moved = (at(SMALL, n_cpu_moe=n, **options) for n in (0, 48))
    bare = at(SMALL, n_cpu_moe=48)
    assert moved.places.placement.shares[0].held.adapter_bytes == 0
    own = moved.places.placement.shares[1].held.adapter_bytes
    assert own == pytest.approx(whole.model.rank_adapter_bytes)
    assert moved.decode(1, 500).expected > bare.decode(1, 500).expected


def test_weights_that_the_card_reads_from_the_host_leave_adapters_with_it() -> None:
    bare, adapted = (
        at(DENSE, "rtx-4090", engine="vllm", cpu_offload_gb=50, **more) for more in ({}, ADAPTERS)
    )
    of_adapters = adapted.model.held.weight_bytes - bare.model.held.weight_bytes
    assert of_adapters == pytest.approx(adapted.model.rank_adapter_bytes)
    assert adapted.places.stored == bare.places.stored
    # What crosses the link is the same.
    assert adapted.decode(1, 500).limit == pytest.approx(bare.decode(1, 500).limit)


def test_unlike_cards_with_equal_shares_are_as_slow_as_the_slower_and_as_small() -> None:
    options: dict[str, Any] = {"engine": "vllm", "tp": 2, "quantization": "fp8"}
    ones = [at(DENSE, gpu, **options) for gpu in ("rtx-5090", "rtx-4090")]
    both = at(DENSE, "rtx-5090+rtx-4090", **options)
    for batch, context in ((1, 500), (32, 4000)):
        slower = max(one.decode(batch, context).expected for one in ones)
        assert both.decode(batch, context).expected == pytest.approx(slower, rel=1e-9)
        assert both.decode(batch, context).limit == max(
            one.decode(batch, context).limit for one in ones
        )
    assert both.prefill(1, 2000).expected == pytest.approx(ones[1].prefill(1, 2000).expected)
    assert both.fullest.gpu.id == "rtx-4090"
    answer = vperf.estimate(DENSE, "rtx-4090+rtx-4090", engine="vllm", tp=2, quantization="fp8")
    alike = vperf.estimate(DENSE, "rtx-4090", engine="vllm", tp=2, quantization="fp8")
    assert answer.expected == alike.expected
    assert answer.memory == alike.memory


def test_unlike_cards_with_equal_shares_take_loads_drafts_and_pictures_of_ops() -> None:
    options: dict[str, Any] = {"tp": 2, "quantization": "fp8", "max_concurrency": 8}
    answer = vperf.estimate(DENSE, "rtx-5090+rtx-3090", **options)
    assert answer.expected.tpot_s >= answer.limit.tpot_s
    assert {op.place for op in answer.decode.ops} == {""}
    drafts = vperf.estimate(DENSE, "rtx-5090+rtx-4090", tp=2, acceptance=0.7, **DRAFTS)
    assert drafts.workload.engine == "vllm"
    assert drafts.expected.tpot_s >= drafts.limit.tpot_s


def test_a_draft_model_lies_on_the_first_of_unlike_cards() -> None:
    plain, drafts = (
        at("llama-3.3-70b-instruct", "rtx-5090+rtx-3090", quantization="q4_k_m", **more)
        for more in (
            {},
            {"speculative": "draft_model", "draft_model": "llama-3.2-1b-instruct",
             "draft_tokens": 4, "acceptance": 0.5},
        )
    )  # fmt: skip
    one, two = plain.places.placement.shares, drafts.places.placement.shares
    own = drafts.model.drafter.rank_weight_bytes
    assert two[0].held.weight_bytes - one[0].held.weight_bytes == pytest.approx(own)
    assert two[1].held == one[1].held
    assert drafts.decode(1, 500).limit > plain.decode(1, 500).limit  # a step, of several tokens


def test_mtp_is_refused_where_another_card_has_the_output_layer() -> None:
    options: dict[str, Any] = {"speculative": "mtp", "acceptance": 0.5, "draft_tokens": 2}
    with pytest.raises(InputError, match="which is on the last card"):
        at("Qwen/Qwen3.6-35B-A3B", "rtx-5090+rtx-4090", **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"engine": "vllm", "tp": 3}, "2 unlike cards share each layer"),
        ({"engine": "vllm", "tp": 2, "dp": 2}, "2 unlike cards share each layer"),
        ({"tp": 2}, "llama.cpp gives unlike cards layers of their own"),
        ({"pcp": 2}, "llama.cpp does not share out"),
    ],
)
def test_what_unlike_cards_do_not_do_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        at(DENSE, "rtx-5090+rtx-4090", **options)


@pytest.mark.parametrize(
    ("engine", "experts_from"),
    [("llama.cpp", 32), ("ik_llama.cpp", 32 * 128 // 8)],  # Qwen3-30B-A3B: 8 of 128 a token
)
def test_a_step_sends_the_hosts_weights_from_32_tokens_on(engine: str, experts_from: int) -> None:
    """GGML_OP_OFFLOAD_MIN_BATCH is 32 in ggml-cuda; ik_llama.cpp counts the tokens of an expert."""
    table = at(SMALL, n_cpu_moe=48, host="desktop-ddr5", engine=engine)._own
    assert [table.sends(tokens)[0] for tokens in (31, 32)] == [False, True]
    assert [table.sends(experts_from + more)[1] for more in (-1, 0)] == [False, True]


def test_two_ways_that_share_the_work_are_as_fast_as_both() -> None:
    assert _both_ways(2.0, 2.0) == 1.0
    assert _both_ways(3.0, 6.0) == 2.0
    assert _both_ways(0.0, 5.0) == _both_ways(5.0, 0.0) == 0.0
