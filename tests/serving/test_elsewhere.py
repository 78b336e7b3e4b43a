"""Prompts that are not read where they are decoded: caches that were kept, and other cards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import vperf
from vperf import Estimate, InputError
from vperf.api import figures
from vperf.report.estimate.page import headline
from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.serving.elsewhere import LINK_SHARE
from vperf.sources.engines import load_engine

GIB = 2.0**30
CARD = "a100-sxm-80gb"
PROMPT = 16384


def ask(gpu: str = CARD, model: str = "qwen3-8b", **options: Any) -> Estimate:
    return vperf.estimate(model, gpu, **{"input_len": PROMPT, **options})


def test_a_kept_prompt_is_its_cache_over_the_link() -> None:
    # 36 layers, 8 KV heads of 128, keys and values of two bytes: 147,456 bytes a token.
    cache = 147_456 * (PROMPT - 1)
    link = 31.5e9  # PCIe 4.0 x16 of the card
    kept = ask(kv_offload="host").kept
    assert kept is not None
    assert kept.found_tokens == PROMPT - 1
    assert kept.sent_bytes == cache
    use = load_engine("vllm").host
    assert use is not None
    assert kept.sent_s == pytest.approx(cache / (use.link_share * link), rel=1e-3)
    assert ask(kv_offload="host").expected.ttft_s == pytest.approx(kept.sent_s + kept.rest_s)
    assert ask(kv_offload="host").limit.ttft_s == pytest.approx(cache / link, rel=1e-3)


def test_a_disk_is_read_at_its_own_rate_and_a_rate_as_given() -> None:
    disk, given = ask(kv_offload="disk").kept, ask(kv_offload="3.5 GB/s").kept
    assert disk is not None
    assert given is not None
    assert disk.bytes_per_s == LINK_SHARE * 7e9
    assert given.bytes_per_s == LINK_SHARE * 3.5e9
    assert given.sent_s == 2 * disk.sent_s


def test_cards_share_out_the_cache_and_the_disk() -> None:
    one, two = ask(kv_offload="disk").kept, ask(kv_offload="disk", tp=2).kept
    assert one is not None
    assert two is not None
    assert two.sent_bytes == one.sent_bytes / 2
    assert two.sent_s == one.sent_s  # half of it, at half of the drive's rate


def test_nothing_found_is_no_cache_at_all() -> None:
    plain, none = ask(), ask(kv_offload="host", kv_offload_hit=0.0)
    assert none.limit == plain.limit
    assert none.expected == plain.expected


@pytest.mark.parametrize("hit", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("place", ["host", "disk", "0.2 GB/s"])
@pytest.mark.parametrize("batch", [1, 4])
def test_no_cache_is_read_faster_than_its_limit(place: str, hit: float, batch: int) -> None:
    found = ask(kv_offload=place, kv_offload_hit=hit, batch_size=batch)
    assert found.limit.ttft_s <= found.expected.low.ttft_s <= found.expected.ttft_s
    assert found.kept is not None
    assert found.kept.pays == (found.expected.ttft_s < ask(batch_size=batch).expected.ttft_s)


def test_it_pays_above_the_rate_that_it_says_and_not_below() -> None:
    kept = ask(kv_offload="disk", kv_offload_hit=0.5).kept
    assert kept is not None
    assert kept.pays_above_bytes_per_s is not None
    even = kept.pays_above_bytes_per_s / LINK_SHARE
    for factor, pays in ((1.01, True), (0.99, False)):
        at = ask(kv_offload=f"{factor * even / 1e9} GB/s", kv_offload_hit=0.5).kept
        assert at is not None
        assert at.pays is pays


def test_it_pays_from_the_prompt_that_it_says() -> None:
    kept = ask(kv_offload="2.1 GB/s").kept
    assert kept is not None
    least = kept.pays_from_tokens
    assert least is not None
    for tokens, pays in ((int(0.8 * least), False), (least, True)):
        at = ask(kv_offload="2.1 GB/s", input_len=tokens).kept
        assert at is not None
        assert at.pays is pays
    slow = ask(kv_offload="0.01 GB/s").kept
    assert slow is not None
    assert slow.pays_from_tokens is None


def test_a_cache_holds_as_many_tokens_as_its_bytes() -> None:
    for tp in (1, 2):
        kept = ask(kv_offload="host", kv_offload_size=64.0, tp=tp).kept
        assert kept is not None
        assert kept.holds_tokens == int(64 * GIB / 147_456)


def test_prompts_that_another_card_reads_are_sent_before_they_are_decoded() -> None:
    cache = 147_456 * PROMPT
    found, reads, alone = ask(prefill_gpu="h100"), ask("h100"), ask()
    by = found.read_by
    assert by is not None
    assert by.prefill_s == pytest.approx(reads.expected.ttft_s)
    assert by.sent_bytes == cache
    assert by.sent_s == pytest.approx(cache / 31.5e9, rel=1e-3)  # the slower of both slots
    assert found.expected.ttft_s == pytest.approx(by.prefill_s + by.sent_s + by.first_step_s)
    assert found.limit.ttft_s == pytest.approx(max(reads.limit.ttft_s, by.sent_s))
    assert by.ttft_alone_s == pytest.approx(alone.expected.ttft_s)
    # Tokens are decoded as ever.
    assert found.expected.tpot_s == alone.expected.tpot_s
    assert found.limit.tpot_s == alone.limit.tpot_s


def test_a_name_is_one_card_whatever_decodes() -> None:
    by = ask(tp=2, prefill_gpu="h100").read_by
    assert by is not None
    assert by.gpus == 1
    assert by.prefill_s == pytest.approx(ask("h100").expected.ttft_s)
    assert by.sent_bytes == 147_456 * PROMPT  # the one card sends all of it


def test_so_many_cards_read_with_shares_of_each_layer() -> None:
    found, reads = ask(prefill_gpu="2xh100"), ask("h100", tp=2)
    assert found.read_by is not None
    assert (found.read_by.gpus, found.read_by.tp) == (2, 2)
    assert found.read_by.prefill_s == pytest.approx(reads.expected.ttft_s)


def test_a_link_of_its_own_between_both() -> None:
    by = ask(prefill_gpu="h100", node_link="1 GB/s").read_by
    assert by is not None
    assert by.sent_s == pytest.approx(147_456 * PROMPT / 1e9)


def test_cards_that_cannot_hold_the_model_are_said() -> None:
    found = ask("h200", prefill_gpu="rtx-3060")
    assert found.read_by is not None
    assert not found.read_by.fits
    assert found.memory.fits
    line = "".join(str(part) for part in headline(found))
    assert "does not fit on rtx-3060-12gb, which reads" in line


def test_what_drafts_has_a_cache_that_comes_too() -> None:
    # Qwen3-0.6B: 28 layers, 8 KV heads of 128 too: 114,688 bytes a token.
    drafts: dict[str, Any] = {"speculative": "draft_model", "draft_model": "Qwen/Qwen3-0.6B",
                              "draft_tokens": 3, "acceptance": 0.6}  # fmt: skip
    found, plain = ask(kv_offload="disk", **drafts), ask(kv_offload="disk")
    assert found.kept is not None
    assert found.kept.sent_bytes == (147_456 + 114_688) * (PROMPT - 1)
    assert found.expected.tpot_s == ask(**drafts).expected.tpot_s
    # The first token does not need it.
    assert found.limit.ttft_s == plain.limit.ttft_s
    assert ask(kv_offload="host", max_concurrency=4, **drafts).limit.ttft_s <= found.limit.ttft_s


def test_the_cards_of_a_pipeline_fetch_their_own_layers_at_once() -> None:
    one, two = ask(kv_offload="host").kept, ask(kv_offload="host", pp=2).kept
    assert one is not None
    assert two is not None
    assert two.sent_bytes == one.sent_bytes / 2
    assert two.sent_s == pytest.approx(one.sent_s / 2)


@pytest.mark.parametrize("place", ["host", "disk"])
def test_one_user_waits_for_the_link_and_nobody_else(place: str) -> None:
    found = ask(kv_offload=place, kv_offload_hit=0.9, max_concurrency=1)
    there = ask(prefix_cache_hit=0.9, max_concurrency=1)
    assert found.kept is not None
    assert found.serving is not None
    assert there.serving is not None
    rate, sent = found.serving.requests_per_s, found.kept.sent_s
    wait = sent * (1 + rate * sent / (1 - rate * sent) / 2)
    assert found.expected.ttft_s - there.expected.ttft_s == pytest.approx(wait, rel=0.02)
    assert 1 / rate - 1 / there.serving.requests_per_s == pytest.approx(wait, rel=0.05)


@pytest.mark.parametrize("place", ["host", "disk", "2 GB/s"])
def test_users_are_those_who_wait_and_those_who_are_answered(place: str) -> None:
    # Little's law: as many as the rate times what a request takes.
    found = ask(kv_offload=place, kv_offload_hit=0.9, max_concurrency=8)
    assert found.serving is not None
    takes = found.serving.ttft_steady_s + 127 * found.expected.tpot_s
    assert found.serving.requests_per_s * takes == pytest.approx(8, rel=0.05)


def test_a_link_serves_no_more_than_it_carries() -> None:
    slow = ask(kv_offload="1 GB/s", max_concurrency=64)
    assert slow.serving is not None
    assert slow.kept is not None
    assert slow.serving.requests_per_s <= 1 / slow.kept.sent_s
    asked = ask(kv_offload="1 GB/s", request_rate=2 / slow.kept.sent_s)
    assert asked.serving is not None
    assert asked.serving.saturated


@pytest.mark.parametrize("users", [1, 4, 32])
def test_nothing_found_is_the_load_without_a_cache(users: int) -> None:
    plain = ask(max_concurrency=users)
    none = ask(kv_offload="host", kv_offload_hit=0.0, max_concurrency=users)
    assert none.serving is not None
    assert plain.serving is not None
    assert none.serving.requests_per_s == pytest.approx(plain.serving.requests_per_s)
    assert none.limit.ttft_s <= none.expected.ttft_s


# Images, and a load of prompts that other cards read ----------------------------------------------

VISION: dict[str, Any] = {
    "model": "qwen2.5-vl-7b-instruct", "image": "1024x768", "images": 3, "input_len": 2000,
}  # fmt: skip


def test_images_whose_tokens_are_found_are_not_encoded_again() -> None:
    whole, none = ask(**VISION), ask(**VISION, kv_offload="host", kv_offload_hit=0.0)
    assert none.expected == whole.expected
    # 999 tokens an image of 4,997: half of the prompt holds two and a part of the third.
    half = ask(**VISION, kv_offload="host", kv_offload_hit=0.5)
    every = ask(**VISION, kv_offload="host")
    assert half.workload.expected_encode_s == pytest.approx(
        ask(**{**VISION, "images": 1}).workload.expected_encode_s
    )
    assert every.workload.expected_encode_s == 0
    assert half.kept is not None
    assert half.expected.ttft_s == pytest.approx(
        half.kept.sent_s + half.kept.rest_s + half.workload.expected_encode_s
    )
    served = ask(**VISION, kv_offload="host", max_concurrency=4)
    assert served.limit.ttft_s <= served.expected.ttft_s < whole.expected.ttft_s


def test_images_are_encoded_where_prompts_are_read() -> None:
    found, reads, alone = ask(**VISION, prefill_gpu="h100"), ask("h100", **VISION), ask(**VISION)
    by = found.read_by
    assert by is not None
    assert found.workload.expected_encode_s == reads.workload.expected_encode_s
    assert by.prefill_s == pytest.approx(reads.expected.ttft_s)
    assert by.ttft_alone_s == pytest.approx(alone.expected.ttft_s)
    assert found.expected.ttft_s == pytest.approx(by.prefill_s + by.sent_s + by.first_step_s)


def test_cards_that_read_divide_a_prompt_among_them() -> None:
    found, reads = ask(prefill_gpu="4xh100", pcp=2), ask("h100", tp=2, pcp=2)
    assert found.read_by is not None
    assert (found.read_by.gpus, found.read_by.tp) == (4, 2)
    assert found.read_by.prefill_s == pytest.approx(reads.expected.ttft_s)
    assert found.gpu.count == 1


def test_a_rate_waits_for_the_readers_and_the_link_and_no_token_for_a_prompt() -> None:
    rate = 1.0
    found, batch = ask(prefill_gpu="h100", request_rate=rate), ask(prefill_gpu="h100")
    by, alone = found.read_by, batch.read_by
    assert by is not None
    assert alone is not None
    assert found.serving is not None
    assert by.busy == pytest.approx(rate * by.prefill_s)
    waits = sum(t + t * rate * t / (1 - rate * t) / 2 for t in (by.prefill_s, by.sent_s))
    server = found.expected.ttft_s - waits - by.first_step_s
    assert 0 < server < 0.1  # the request's way through both servers
    running = rate * 127 * found.expected.tpot_s  # Little's law
    assert found.serving.running_batch == pytest.approx(running, rel=1e-3)
    assert found.expected.tpot_s < ask(request_rate=rate / 4).expected.tpot_s


@pytest.mark.parametrize("users", [1, 4, 32, 128])
def test_users_of_both_kinds_of_card_are_all_somewhere(users: int) -> None:
    found = ask(prefill_gpu="h100", max_concurrency=users)
    assert found.serving is not None
    assert found.read_by is not None
    takes = found.serving.ttft_steady_s + 127 * found.expected.tpot_s
    assert found.serving.requests_per_s * takes == pytest.approx(users, rel=1e-3)
    most = min(found.read_by.requests_per_s, found.read_by.decode_requests_per_s)
    assert found.serving.requests_per_s <= most * (1 + 1e-9)
    assert found.limit.ttft_s <= found.expected.ttft_s
    assert found.limit.tpot_s <= found.expected.tpot_s
    fewer = ask(prefill_gpu="h100", max_concurrency=max(1, users // 2))
    assert fewer.serving is not None
    assert fewer.serving.requests_per_s <= found.serving.requests_per_s * (1 + 1e-9)


def test_a_rate_beyond_either_kind_of_card_grows_its_queue() -> None:
    found = ask(prefill_gpu="h100", request_rate=50.0)
    assert found.serving is not None
    assert found.read_by is not None
    assert found.serving.saturated
    assert found.serving.requests_per_s == pytest.approx(
        min(found.read_by.requests_per_s, found.read_by.decode_requests_per_s)
    )


@pytest.mark.parametrize("load", [{}, {"max_concurrency": 8}])
def test_drafts_come_with_a_cache_of_their_own_that_is_sent_too(load: dict[str, Any]) -> None:
    drafts: dict[str, Any] = {"speculative": "draft_model", "draft_model": "Qwen/Qwen3-0.6B",
                              "draft_tokens": 3, "acceptance": 0.6}  # fmt: skip
    found, plain = (ask(prefill_gpu="h100", **load, **more) for more in (drafts, {}))
    assert found.read_by is not None
    assert found.read_by.sent_bytes == (147_456 + 114_688) * PROMPT
    assert found.limit.ttft_s == pytest.approx(plain.limit.ttft_s)  # it does not need that
    assert found.expected.ttft_s > plain.expected.ttft_s
    assert found.speculative is not None
    assert found.speculative.expected_plain_tpot_s == pytest.approx(plain.expected.tpot_s, rel=0.1)
    if not load:
        assert found.expected.tpot_s == ask(**drafts).expected.tpot_s


def test_a_prefix_that_the_readers_have_is_sent_and_not_read() -> None:
    plain, hit = (
        ask(prefill_gpu="h100", request_rate=0.5, prefix_cache_hit=share).read_by
        for share in (0.0, 0.8)
    )
    assert plain is not None
    assert hit is not None
    assert hit.prefill_s < 0.4 * plain.prefill_s
    assert hit.sent_bytes == plain.sent_bytes


@pytest.mark.parametrize("name", ["kv_offload", "prefill_gpu"])
@pytest.mark.parametrize(
    "options",
    [
        {"max_concurrency": 4, "num_prompts": 40},
        {"engine": "llama.cpp", "n_gpu_layers": 20},
    ],
)
def test_what_is_not_understood_is_refused(name: str, options: dict[str, Any]) -> None:
    value = {"kv_offload": "host", "prefill_gpu": "h100"}[name]
    with pytest.raises(InputError, match=r"is of one batch|not understood"):
        ask(**{name: value}, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kv_offload": "moon"}, "must be host, disk or a rate"),
        ({"kv_offload": "host", "kv_offload_hit": 1.5}, "must be from 0 to 1"),
        ({"kv_offload": "host", "kv_offload_size": 0.0}, "must be above 0"),
        ({"kv_offload_hit": 0.5}, "add --kv-offload host"),
        ({"kv_offload": "host", "prefill_gpu": "h100"}, "not understood with --prefill-gpu"),
        ({"gpu": "apple-m4-max", "kv_offload": "host"}, "the host's own"),
        (
            {"kv_offload": "host", "max_concurrency": 4, "prefix_cache_hit": 0.5},
            "not understood with --kv-offload",
        ),
        ({"prefill_gpu": "h100", "pp": 2}, "pipeline stages"),
        ({"prefill_gpu": "h100", "cpu_offload_gb": 4.0}, "weights on the host"),
    ],
)
def test_what_means_nothing_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ask(**options)


def test_tables_have_a_cache_beyond_the_card_and_no_cards_of_another_kind() -> None:
    (row,) = vperf.compare("qwen3-8b", [CARD], input_len=PROMPT, kv_offload="host").rows
    assert row.figures is not None
    assert row.figures.expected == ask(kv_offload="host").expected
    with pytest.raises(InputError, match="vperf estimate alone"):
        figures(Scenario("qwen3-8b", CARD, prefill_gpu="h100"))


def test_each_group_sends_the_caches_of_its_own_prompts() -> None:
    """Five prompts over two groups are three of the fuller one; a prompt has 147,456 bytes a
    token, of which each of two cards that share layers has half."""
    apart = deploy(Scenario("qwen3-8b", CARD, prefill_gpu=CARD, dp=2))
    assert apart.ahead is not None
    assert apart.ahead.sent_bytes(apart.compiled, 5, 1000) == 5 * 1000 * 147_456
    grouped = replace(apart.ahead, compiled=apart.compiled)
    assert grouped.sent_bytes(apart.compiled, 5, 1000) == 3 * 1000 * 147_456


# Images that other cards encode -------------------------------------------------------------------


def test_other_cards_encode_and_send_a_hidden_state_for_each_token() -> None:
    found, own = ask(**VISION, encoder_gpu="l40s"), ask("l40s", **VISION)
    plain, text = ask(**VISION), ask(model=VISION["model"], input_len=2000 + 2997)
    sent = 2997 * 3584 * 2 / 31.5e9  # hidden of 3,584 over PCIe 4.0
    encode = own.workload.expected_encode_s + sent
    assert found.workload.encoder_gpu == "l40s"
    assert found.workload.expected_encode_s == pytest.approx(encode, rel=1e-3)
    assert found.expected.ttft_s == pytest.approx(encode + text.expected.ttft_s, rel=1e-3)
    assert found.limit.ttft_s == pytest.approx(
        max(text.limit.ttft_s, own.workload.limit_encode_s), rel=1e-6
    )
    assert found.expected.tpot_s == plain.expected.tpot_s
    assert found.prefill.expected_s == pytest.approx(found.expected.ttft_s)


def test_requests_are_shared_out_over_the_cards_that_encode() -> None:
    one, four = (
        ask(**VISION, encoder_gpu=f"{n}xl40s", batch_size=8).expected.ttft_s for n in (1, 4)
    )
    text = ask(model=VISION["model"], input_len=2000 + 2997, batch_size=8).expected.ttft_s
    assert (one - text) / (four - text) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("users", [1, 8, 64])
def test_no_step_waits_for_what_other_cards_encode(users: int) -> None:
    found, plain = (
        ask(**VISION, max_concurrency=users, **more) for more in ({"encoder_gpu": "4xl40s"}, {})
    )
    assert found.serving is not None
    assert plain.serving is not None
    assert found.limit.ttft_s <= found.expected.ttft_s
    if users > 1:
        assert found.expected.tpot_s < plain.expected.tpot_s
    most = 4 / found.workload.expected_encode_s
    assert found.serving.requests_per_s <= most


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder_gpu": "l40s"}, "has nothing to encode"),
        ({**VISION, "encoder_gpu": "l40s", "kv_offload": "host"}, "not understood with"),
        ({**VISION, "encoder_gpu": "l40s", "prefill_gpu": "h100"}, "not understood with"),
        ({**VISION, "encoder_gpu": "l40s", "max_concurrency": 4, "num_prompts": 40}, "understood"),
    ],
)
def test_what_encoders_do_not_do_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ask(**options)
