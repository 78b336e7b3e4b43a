"""What drafts beside MTP layers: draft models, EAGLE heads, look-ups, trees; by hand, and laws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from vperf.errors import InputError, UnsupportedModelError
from vperf.model.config import ModelConfig
from vperf.model.ops import Step
from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.serving.speculative import checked_acceptance, mean_tokens, tokens_per_step
from vperf.timing.passes import decode_passes, parts, prefill_passes

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
LARGE, SMALL = "meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.2-1B-Instruct"

EAGLE3: dict[str, Any] = {
    "architectures": ["LlamaForCausalLMEagle3"], "model_type": "llama", "hidden_size": 4096,
    "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
    "num_hidden_layers": 1, "vocab_size": 128256, "draft_vocab_size": 32000,
    "tie_word_embeddings": False, "torch_dtype": "float16", "max_position_embeddings": 2048,
}  # fmt: skip
EAGLE: dict[str, Any] = {
    **{k: v for k, v in EAGLE3.items() if k != "draft_vocab_size"},
    "architectures": ["EagleLlamaForCausalLM"],
}


def head(config: dict[str, Any]) -> ModelConfig:
    """A config as it is found."""
    return ModelConfig("a/head", "local", "head.json", config)


def drafts(method: str, config: Any = None, **more: Any) -> dict[str, Any]:
    """Options of drafting."""
    found = {"speculative": method, "draft_tokens": 3, "acceptance": 0.7, **more}
    return found if config is None else {**found, "draft_model": config}


def deployed(model: str = LLAMA, gpu: str = "h100", **options: Any) -> Any:
    """A deployment."""
    return deploy(Scenario(model, gpu, **options))


# By hand --------------------------------------------------------------------------------------


def test_an_eagle_3_head_has_the_parameters_of_its_checkpoint() -> None:
    drafter = deployed(**drafts("eagle3", head(EAGLE3))).model.drafter
    assert drafter
    joins = 3 * 4096 * 4096
    attention = 2 * 4096 * (4096 + 2 * 1024) + 4096 * 4096
    mlp, norms, lm_head = 3 * 4096 * 14336, 4 * 4096, 4096 * 32000
    assert drafter.model.parameters == attention + mlp + norms + lm_head
    assert drafter.rank_weight_bytes == 2 * (joins + attention + mlp + norms + lm_head)
    # One layer's cache: keys and values of 8 heads of 128 in 16 bit.
    assert drafter.rank_cache_bytes_per_token == 2 * 8 * 128 * 2


def test_an_eagle_3_head_joins_hidden_states_once_a_step_and_drafts_three_times() -> None:
    at = deployed(**drafts("eagle3", head(EAGLE3)))
    verify, draft = decode_passes(at.model, 2, 1000)
    assert (verify.step, draft.step, draft.count) == (
        Step(2, 4, 1000, 4), Step(2, 1, 1000), 3,
    )  # fmt: skip
    ops = {op.name: op for op in at.compiled.ops(verify)}
    assert ops["eagle.fc"].shape == (8, 12288, 4096)
    ops = {op.name: op for op in at.compiled.ops(draft)}
    assert ops["qkv_proj"].shape == (2, 8192, 6144)
    assert ops["lm_head"].shape == (2, 4096, 32000)
    assert "eagle.fc" not in ops


def test_an_eagle_head_joins_in_every_pass_and_shares_the_lm_head() -> None:
    at = deployed(**drafts("eagle", head(EAGLE)))
    drafter = at.model.drafter
    assert drafter.joins is None
    ops = {op.name: op for op in at.compiled.ops(decode_passes(at.model, 1, 100)[1])}
    assert ops["eagle.fc"].shape == (1, 8192, 4096)
    assert ops["lm_head"].shape == (1, 4096, 128256)
    layer = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336
    assert drafter.rank_weight_bytes == 2 * (layer + 2 * 4096 * 4096 + 2 * 4096)


def test_a_step_with_a_draft_model_is_verification_and_its_drafts() -> None:
    # A large model in fp8 and a small one in bf16 on one card, one user.
    at = deployed(LARGE, "h200", quantization="fp8", **drafts("draft_model", SMALL, draft_tokens=4))
    own = deployed(SMALL, "h200")
    verify, draft = decode_passes(at.model, 1, 1087)
    assert draft.count == 4
    limit = at.compiled.decode(1, 1087).limit
    alone = own.compiled.decode(1, 1087).limit
    assert limit == pytest.approx(at.compiled.passes([verify]).limit + 4 * alone)
    # 1.24 billion weights of 2 bytes at 4.8 TB/s, 50 MB of them in the cache of the card.
    assert alone == pytest.approx((2 * 1.2358e9 + 1087 * 32768 - 50e6) / 4.8e12, rel=0.01)
    plain = deployed(LARGE, "h200", quantization="fp8")
    more = at.model.rank_weight_bytes - plain.model.rank_weight_bytes
    assert more == own.model.rank_weight_bytes
    cache = at.model.rank_cache_bytes(1000) - plain.model.rank_cache_bytes(1000)
    assert cache == own.model.rank_cache_bytes(1000)


def test_a_draft_model_reads_the_prompt_once() -> None:
    model = deployed(LARGE, "h200", quantization="fp8", **drafts("draft_model", SMALL)).model
    own, reading, more = prefill_passes(model, 2, 500)
    assert own.step == reading.step == Step(2, 500, 0)
    assert (reading.count, more.count, more.step) == (1, 2, Step(2, 1, 500))
    assert (own.awaited, reading.awaited) == (True, False)


def test_tokens_that_are_looked_up_are_verified_and_nothing_else() -> None:
    at = deployed(**drafts("ngram", draft_tokens=5))
    (verify,) = decode_passes(at.model, 3, 200)
    assert verify.step == Step(3, 6, 200, 6)
    assert at.model.rank_weight_bytes == deployed().model.rank_weight_bytes
    answer = vperf.estimate(LLAMA, "h100", **drafts("ngram", draft_tokens=5))
    assert answer.speculative
    assert answer.speculative.expected_draft_s == answer.speculative.draft_weight_bytes == 0
    assert any("search of the text" in line for line in answer.not_modelled)


def test_a_tree_verifies_its_nodes_and_drafts_its_branches() -> None:
    tree = drafts("eagle3", head(EAGLE3), draft_tokens=5, draft_branches=8, verify_tokens=64)
    at = deployed(**tree)
    verify, first, rest = decode_passes(at.model, 2, 300)
    assert verify.step == Step(2, 64, 300, 64)
    assert (first.step, first.count) == (Step(2, 1, 300), 1)
    assert (rest.step, rest.count) == (Step(2, 8, 300, 8), 4)
    # Verification runs the decode kernel however many nodes there are.
    assert {op.decode for op in at.compiled.ops(verify) if op.kind == "attention"} == {True}
    answer = vperf.estimate(LLAMA, "h100", **tree)
    assert answer.speculative
    assert answer.speculative.tokens_per_step == pytest.approx(tokens_per_step(0.7, 5))
    assert answer.speculative.verified_tokens == 64
    assert {each.best_draft_tokens for each in answer.drafts} == {None}


def test_a_head_of_speculators_nests_its_layer() -> None:
    layer = {k: v for k, v in EAGLE3.items() if k not in {"architectures", "draft_vocab_size"}}
    nested = {
        "architectures": ["Eagle3DraftModel"], "speculators_model_type": "eagle3",
        "draft_vocab_size": 32000, "transformer_layer_config": layer,
    }  # fmt: skip
    one, other = (deployed(**drafts("eagle3", head(c))).model.drafter for c in (EAGLE3, nested))
    assert one.model.kinds == other.model.kinds
    assert one.rank_weight_bytes == other.rank_weight_bytes


def test_drafts_are_divided_as_the_model_is() -> None:
    one = deployed(LARGE, "h100", tp=2, **drafts("draft_model", SMALL)).model
    other = deployed(LARGE, "h100", tp=2, pp=2, **drafts("draft_model", SMALL)).model
    assert one.drafter.rank_weight_bytes == other.drafter.rank_weight_bytes
    own = deployed(SMALL, "h100", tp=2).model
    assert one.drafter.rank_weight_bytes == own.rank_weight_bytes
    assert one.draft.parallel.tensor == 2


def test_an_engine_takes_time_beside_the_kernels_of_drafts() -> None:
    # vLLM's 0.8 ms a draft, fitted to EAGLE runs of 2025 (benchmarks/data/speculation.csv).
    at = deployed(**drafts("eagle3", head(EAGLE3), draft_tokens=4))
    kernels = at.compiled.kernels_s(decode_passes(at.model, 1, 100))
    assert at.compiled.decode(1, 100).expected == pytest.approx(
        kernels + 0.35e-3 + 14e-6 + 4 * 0.8e-3
    )


# Acceptance -----------------------------------------------------------------------------------


def test_acceptance_is_one_probability_or_one_share_a_draft_or_a_length() -> None:
    assert checked_acceptance(0.5, None, 3) == (0.5, 0.25, 0.125)
    assert checked_acceptance("0.8,0.6,0.4", None, 3) == (0.8, 0.6, 0.4)
    assert checked_acceptance("0.8/0.6/0.4", None, 3) == (0.8, 0.6, 0.4)
    assert mean_tokens(checked_acceptance(None, 2.8, 3)) == pytest.approx(2.8)
    for said in ({"acceptance": "0.8,0.6,0.4"}, {"acceptance": None, "acceptance_length": 2.8}):
        answer = vperf.estimate(LLAMA, "h100", **drafts("ngram", **said))
        assert answer.speculative
        assert answer.speculative.tokens_per_step == pytest.approx(2.8)
        plain = vperf.estimate(LLAMA, "h100", **drafts("ngram", acceptance=0.0))
        assert answer.expected.tpot_s == pytest.approx(plain.expected.tpot_s / 2.8)


def test_a_draft_model_has_weights_in_the_format_that_is_given() -> None:
    options: dict[str, Any] = {
        "speculative": "draft_model", "draft_model": "Qwen/Qwen3-0.6B", "draft_tokens": 4,
        "acceptance": 0.5, "engine": "llama.cpp", "quantization": "q4_k_m",
    }  # fmt: skip
    plain = vperf.estimate("Qwen/Qwen3-32B", "rtx-5090", **options)
    small = vperf.estimate("Qwen/Qwen3-32B", "rtx-5090", draft_quantization="q8_0", **options)
    own, other = (
        vperf.estimate("Qwen/Qwen3-0.6B", "rtx-5090", quantization=name).model.weight_bytes
        for name in (None, "q8_0")
    )
    saved = plain.memory.weight_bytes - small.memory.weight_bytes
    assert saved == pytest.approx(own - other)
    assert small.expected.tpot_s < plain.expected.tpot_s
    with pytest.raises(InputError, match="is of a --draft-model"):
        vperf.estimate("deepseek-ai/DeepSeek-V3", "h200", tp=8, speculative="mtp", acceptance=0.5,
                       draft_quantization="fp8")  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"acceptance": "0.8,0.6"}, "2 shares are given, 3 drafts"),
        ({"acceptance": "0.6,0.8,0.4"}, "rises"),
        ({"acceptance": "0.6,0.5,x"}, "one for each draft"),
        ({"acceptance": "1.6,0.5,0.1"}, "from 0 to 1"),
        ({"acceptance_length": 2.0}, "cannot be combined"),
        ({"acceptance": None, "acceptance_length": 4.5}, "from 1 to 4"),
        ({"acceptance": None, "acceptance_length": 0.5}, "from 1 to 4"),
    ],
)
def test_an_acceptance_that_cannot_be_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        vperf.estimate(LLAMA, "h100", **drafts("ngram", **given))


# The table ------------------------------------------------------------------------------------


def test_each_batch_has_its_break_even_and_its_best_number_of_drafts() -> None:
    answer = vperf.estimate(LLAMA, "h100", **drafts("draft_model", SMALL))
    assert [each.batch_size for each in answer.drafts][:3] == [1, 2, 4]
    for each in answer.drafts:
        assert each.best_speedup >= max(1.0, each.speedup * (1 - 1e-12))
        given = vperf.estimate(LLAMA, "h100", batch_size=each.batch_size,
                               **drafts("draft_model", SMALL))  # fmt: skip
        plain = vperf.estimate(LLAMA, "h100", batch_size=each.batch_size)
        assert each.speedup == pytest.approx(
            plain.expected.tpot_s / given.expected.tpot_s, rel=0.01
        )
    # A full batch is bound by compute: drafts cost more there and pay later.
    first, last = answer.drafts[0], answer.drafts[-1]
    assert first.break_even_acceptance
    assert last.break_even_acceptance is None or (
        last.break_even_acceptance > first.break_even_acceptance
    )
    assert answer.to_dict()["speculative"]["by_batch"][0]["batch_size"] == 1


# Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (drafts("lookahead"), "must be mtp, draft_model, eagle, eagle3, medusa or ngram"),
        (drafts("draft_model"), "draft-model: missing"),
        (drafts("mtp", SMALL), "no multi-token|means nothing with"),
        (drafts("ngram", SMALL), "means nothing with"),
        (drafts("ngram", draft_tokens=None), "draft-tokens: missing"),
        (drafts("draft_model", "openai-community/gpt2"), "vocabulary of 50,257"),
        (drafts("eagle", head(EAGLE3)), "is an EAGLE-3 head"),
        (drafts("eagle3", head(EAGLE)), "is no EAGLE-3 head"),
        (drafts("eagle", SMALL), "is no EAGLE head"),
        (drafts("eagle3", head({**EAGLE3, "target_hidden_size": 8192})), "made for another one"),
        (drafts("eagle", head({**EAGLE, "hidden_size": 2048})), "made for another one"),
        (drafts("eagle3", head(EAGLE3), draft_branches=2, verify_tokens=40), "has 4 to 11 tokens"),
        (drafts("ngram", draft_branches=2), "it drafts a chain"),
        ({"draft_model": SMALL}, "means nothing without speculative"),
    ],
)  # fmt: skip
def test_what_cannot_draft_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        vperf.estimate(LLAMA, "h100", **options)


def test_a_head_with_another_attention_is_refused() -> None:
    latent = {
        **EAGLE3, "model_type": "deepseek_v3", "kv_lora_rank": 512, "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128, "v_head_dim": 128, "q_lora_rank": 1536,
        "first_k_dense_replace": 1, "n_routed_experts": 8, "num_experts_per_tok": 2,
        "moe_intermediate_size": 64, "n_shared_experts": 1,
    }  # fmt: skip
    with pytest.raises(UnsupportedModelError, match="plain attention"):
        vperf.estimate(LLAMA, "h100", **drafts("eagle3", head(latent)))


def test_fit_counts_what_drafts(tmp_path: Path) -> None:
    plain = vperf.fit(LLAMA, "h100").rooms[0]
    drafting = vperf.fit(LLAMA, "h100", speculative="draft_model", draft_model=SMALL,
                         draft_tokens=3).rooms[0]  # fmt: skip
    assert plain.parts
    assert drafting.parts
    assert drafting.draft_weight_bytes == pytest.approx(2 * 1.2358e9, rel=0.01)
    more = drafting.parts.weight_bytes - plain.parts.weight_bytes
    assert more == pytest.approx(drafting.draft_weight_bytes)
    assert drafting.max_users < plain.max_users


# Laws -----------------------------------------------------------------------------------------

methods = st.sampled_from(
    [
        {"speculative": "ngram"},
        {"speculative": "draft_model", "draft_model": "Qwen/Qwen3-0.6B"},
    ]
)
workloads = st.fixed_dictionaries(
    {
        "tp": st.sampled_from([1, 2]),
        "batch_size": st.integers(1, 200),
        "input_len": st.integers(1, 8000),
        "draft_tokens": st.integers(1, 8),
    }
)


@settings(max_examples=30, deadline=None)
@given(methods, workloads)
def test_drafts_never_accepted_cost_and_all_accepted_yield_one_more(
    method: dict[str, Any], given: dict[str, Any]
) -> None:
    model, gpu = "Qwen/Qwen3-8B", "h100"
    plain = vperf.estimate(model, gpu, **{**given, "draft_tokens": None})
    never = vperf.estimate(model, gpu, **given, **method, acceptance=0.0)
    always = vperf.estimate(model, gpu, **given, **method, acceptance=1.0)
    assert always.speculative
    assert always.speculative.tokens_per_step == given["draft_tokens"] + 1
    for side in ("limit", "expected"):
        without, none, every = (getattr(a, side).tpot_s for a in (plain, never, always))
        assert none >= without * (1 - 1e-12)
        assert none == pytest.approx(every * (given["draft_tokens"] + 1))
    for answer in (never, always):
        assert answer.limit.tpot_s <= answer.expected.tpot_s
        assert answer.limit.ttft_s <= answer.expected.ttft_s
    assert never.limit.ttft_s == plain.limit.ttft_s


def test_a_load_with_a_draft_model_is_served_faster_than_without() -> None:
    load: dict[str, Any] = {"max_concurrency": 16, "output_len": 256}
    plain = vperf.estimate(LARGE, "h200", quantization="fp8", **load)
    drafted = vperf.estimate(LARGE, "h200", quantization="fp8", **load,
                             **drafts("draft_model", SMALL, acceptance="0.8,0.65,0.5"))  # fmt: skip
    assert drafted.expected.tpot_s < plain.expected.tpot_s
    assert plain.simulated
    assert drafted.simulated
    assert drafted.simulated.output_tokens_per_s > plain.simulated.output_tokens_per_s
    assert [part.role for part in parts(deployed(**drafts("ngram")).model)] == [""]
