"""Which scenario a result answers, and what is said where two sources differ."""

from __future__ import annotations

from typing import Any

import pytest

import vperf
from tests.checks.results import GPU, MODEL, result, setup
from vperf import InputError, Result
from vperf.checks.scenario_of_result import ResultScenario, scenario_of
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.resolve import Resolver


def resolve(ran: Result, **given: Any) -> ResultScenario:
    return scenario_of(ran, resolver=Resolver(), **given)


def posed(gpu: Any = None, model: Any = None, options: Any = None, **said: Any) -> ResultScenario:
    figures = {k: said.pop(k) for k in list(said) if k.endswith("_s")}
    for field in ("model", "gpu"):
        if f"{field}_said" in said:
            said[field] = said.pop(f"{field}_said")
    return scenario_of(
        result(ran=setup(**said), **figures),
        gpu=gpu,
        model=model,
        options=options or {},
        resolver=Resolver(),
    )


def test_the_setup_of_the_result_is_taken() -> None:
    scenario = posed(tp=2, kv_cache_dtype="fp8", input_len=511.6, output_len=64.4).scenario
    assert isinstance(scenario.gpu, Gpu)
    assert isinstance(scenario.model, ModelConfig)
    assert (scenario.model.id, scenario.gpu.id, scenario.tp) == (MODEL, GPU, 2)
    assert (scenario.input_len, scenario.output_len) == (512, 64)
    assert scenario.kv_cache_dtype == "fp8"


@pytest.mark.parametrize(
    ("options", "said", "words"),
    [
        ({"tp": 2}, {"tp": 4}, "--tp 2 is taken; the result says 4"),
        ({"engine": "sglang"}, {}, "--engine sglang is taken; the result says vllm"),
        ({"input_len": 2048}, {}, "--input-len 2048 is taken; the result says 1024"),
        ({"batch_size": 8}, {"batch_size": 4}, "--batch-size 8 is taken; the result says 4"),
    ],
)
def test_what_is_given_wins_and_the_conflict_is_said(options: Any, said: Any, words: str) -> None:
    found = posed(options=options, **said)
    assert found.warnings == (words,)
    name, value = next(iter(options.items()))
    assert getattr(found.scenario, name) == value


def test_the_same_given_twice_is_no_conflict() -> None:
    found = posed(
        gpu="NVIDIA GeForce RTX 4090", model="qwen3-4b-instruct-2507",
        options={"input_len": 1024, "engine": "vllm"},
    )  # fmt: skip
    assert found.warnings == ()


def test_another_card_or_model_than_the_result_says_is_a_warning() -> None:
    found = posed(gpu="h100-pcie-80gb", model="qwen3-8b")
    assert found.warnings == (
        "--gpu h100-pcie-80gb is taken; the result says rtx-4090",
        f"--model qwen3-8b is taken; the result says {MODEL}",
    )


@pytest.mark.parametrize("missing", ["gpu", "model"])
def test_a_result_that_does_not_name_it_asks_for_it(missing: str) -> None:
    with pytest.raises(InputError, match=f"--{missing} is missing"):
        resolve(
            result(ran=setup(**{missing: None})),
            gpu=None,
            model=None,
            options={},
        )


def test_a_model_that_cannot_be_found_asks_for_one() -> None:
    with pytest.raises(InputError, match="cannot be found") as error:
        resolve(
            result(ran=setup(model="./gone.gguf")),
            gpu=None,
            model=None,
            options={},
        )
    assert "--model" in error.value.hint


@pytest.mark.parametrize(
    ("said", "bundled"),
    [
        ("models/Qwen3-4B-Instruct-2507-Q4_K_M.gguf", MODEL),
        ("/models/gpt-oss-120b-mxfp4-00001-of-00003.gguf", "openai/gpt-oss-120b"),
        ("C:\\models\\qwen3-8b-IQ4_XS.gguf", "Qwen/Qwen3-8B"),
        ("/data/hub/Qwen3-8B", "Qwen/Qwen3-8B"),
    ],
)
def test_a_file_of_another_machine_is_the_bundled_model_of_its_name(
    said: str, bundled: str
) -> None:
    found = posed(model_said=said)
    assert isinstance(found.scenario.model, ModelConfig)
    assert found.scenario.model.id == bundled
    assert any(said in note and bundled in note for note in found.notes)


def test_token_generation_of_llama_bench_starts_from_an_empty_cache() -> None:
    scenario = posed(input_len=0, output_len=512, past_len=0).scenario
    assert (scenario.input_len, scenario.output_len) == (1, 512)
    scenario = posed(input_len=0, output_len=32, past_len=4096).scenario
    assert (scenario.input_len, scenario.output_len) == (4096, 32)


def test_prompt_processing_decodes_nothing() -> None:
    ran = setup(input_len=512, output_len=0, past_len=0)
    scenario = resolve(
        result(ran=ran, prefill_tokens_per_s=9e3),
        gpu=None,
        model=None,
        options={},
    ).scenario
    assert (scenario.input_len, scenario.output_len) == (512, 1)


def test_users_are_a_closed_loop_and_one_user_is_a_batch() -> None:
    many = posed(batch_size=None, max_concurrency=32, request_rate=4.0).scenario
    assert (many.max_concurrency, many.request_rate, many.batch_size) == (32, None, 1)
    one = posed(batch_size=None, max_concurrency=1)
    assert not one.scenario.served
    assert any("batch 1" in note for note in one.notes)


def test_a_finite_rate_is_an_open_loop() -> None:
    assert posed(batch_size=None, request_rate=2.5).scenario.request_rate == 2.5
    unlimited = posed(batch_size=None, request_rate=float("inf"), requests=40)
    assert (unlimited.scenario.request_rate, unlimited.scenario.num_prompts) == (float("inf"), 40)


def test_requests_that_are_counted_are_the_run_that_is_graded() -> None:
    found = posed(batch_size=1000, requests=1000)
    assert (found.scenario.request_rate, found.scenario.num_prompts) == (float("inf"), 1000)
    assert any("1,000 requests, all sent at once" in note for note in found.notes)
    users = posed(batch_size=None, max_concurrency=8, requests=80, request_rate=3.0).scenario
    assert (users.max_concurrency, users.request_rate, users.num_prompts) == (8, 3.0, 80)
    rate = posed(batch_size=None, request_rate=3.0, burstiness=0.5, requests=60).scenario
    assert (rate.request_rate, rate.burstiness, rate.num_prompts) == (3.0, 0.5, 60)


def test_a_load_that_is_given_replaces_the_result_s() -> None:
    found = posed(batch_size=None, max_concurrency=32, options={"batch_size": 32})
    assert (found.scenario.max_concurrency, found.scenario.batch_size) == (None, 32)


def test_a_tool_that_is_silent_about_lengths_is_an_error_and_typed_figures_are_not() -> None:
    with pytest.raises(InputError, match="lengths") as error:
        posed(input_len=None, output_len=None)
    assert error.value.hint == "give --input-len and --output-len"
    typed = vperf.Result("command line", "", tpot_s=0.01)
    found = resolve(typed, gpu=GPU, model=MODEL, options={})
    assert any("--input-len 1024" in note for note in found.notes)


def test_the_speed_of_one_answer_is_graded_at_usual_lengths_which_are_said() -> None:
    spoken = result(ran=setup(input_len=None, output_len=512.0), decode_tokens_per_s=97.0)
    found = resolve(spoken, gpu=None, model=None, options={})
    assert (found.scenario.input_len, found.scenario.output_len) == (1024, 512)
    assert any("--input-len 1024" in note for note in found.notes)


def test_a_latency_without_its_batch_is_an_error() -> None:
    ran = setup(batch_size=None)
    with pytest.raises(InputError, match="at a time"):
        resolve(result(ran=ran, latency_s=1.0), gpu=None, model=None, options={})


def test_gpus_without_a_division_are_tensor_parallel() -> None:
    found = posed(gpus=4)
    assert found.scenario.tp == 4
    assert any("tensor parallel" in note for note in found.notes)
    assert posed(gpus=4, tp=2).warnings == ("tp x pp x dp is 2; the result says 4 GPUs",)


def test_a_quantized_checkpoint_is_what_it_is() -> None:
    found = posed(model="Qwen/Qwen3-4B-Instruct-2507", quantization="q4_k_m")
    assert found.scenario.quantization == "q4_k_m"
    checkpoint = next(name for name in _shipped_fp8())
    assert posed(model=checkpoint, quantization="fp8_kernel").scenario.quantization is None


def _shipped_fp8() -> list[str]:
    from vperf.sources.models import model_ids  # noqa: PLC0415

    return [name for name in model_ids() if name.lower().endswith("-fp8")]


def test_speculative_decoding_that_the_result_tells_of_is_said() -> None:
    assert "speculatively, 20.40 tokens a step" in posed(acceptance_length=20.4).warnings[0]


def test_all_that_a_result_does_not_say_is_asked_for_at_once() -> None:
    unsaid = Result("vllm bench latency", "", latency_s=2.4)
    with pytest.raises(
        InputError, match=r"does not say how many .*, its lengths, .* model"
    ) as error:
        resolve(unsaid, gpu=None, model=None, options={})
    assert error.value.hint == (
        "give --batch-size or --max-concurrency, --input-len and --output-len, --gpu, --model"
    )


def test_the_format_of_a_name_is_graded_over_the_model_that_is_here() -> None:
    found = posed(model_said="nvidia/Qwen3-8B-NVFP4")
    assert found.scenario.quantization == "nvfp4"
    assert found.doubts == ()


def test_a_publishers_own_mix_is_taken_as_the_nearest_and_proves_nothing() -> None:
    found = posed(model_said="Qwen3-8B-UD-Q4_K_XL.gguf", engine="llama.cpp")
    assert found.scenario.quantization == "q4_k_m"
    assert "proves nothing" in found.warnings[0]


def test_a_format_of_as_many_bits_is_the_checkpoints_own() -> None:
    found = posed(model_said="openai/gpt-oss-20b", quantization="nvfp4")
    assert found.scenario.quantization is None


def test_weights_whose_format_nobody_says_prove_nothing() -> None:
    usual = posed(model_said="qwen3:8b", engine="llama.cpp", usual_quantization="q4_k_m")
    assert usual.scenario.quantization == "q4_k_m"
    assert "the usual one" in usual.doubts[0]
    unsaid = posed(model_said="Qwen/Qwen3-8B", engine="llama.cpp")
    assert unsaid.scenario.quantization is None
    assert "does not say the weights' format" in unsaid.doubts[0]
    assert posed(model_said="Qwen3-8B-Q4_K_M.gguf", engine="llama.cpp").doubts == ()
    assert posed(engine="llama.cpp", options={"quantization": "q8_0"}).doubts == ()


def test_a_rate_over_a_run_without_its_load_proves_nothing() -> None:
    typed = Result("command line", "", output_tokens_per_s=9000.0)
    assert "how many sequences" in resolve(typed, gpu=GPU, model=MODEL, options={}).doubts[0]
    loaded = resolve(typed, gpu=GPU, model=MODEL, options={"batch_size": 8})
    assert loaded.doubts == ()


def test_what_llama_cpp_loaded_wins_over_a_quantized_checkpoint() -> None:
    found = posed(
        model_said="openai/gpt-oss-120b", engine="llama.cpp", quantization="mxfp4_moe",
        weight_bytes=59.02 * 2**30,
    )  # fmt: skip
    assert found.scenario.quantization == "mxfp4_moe"


def test_the_loaded_size_decides_where_the_name_cannot_be() -> None:
    # "F16" of gpt-oss: its experts stay mxfp4, or the file would be three times as large.
    found = posed(
        model_said="openai/gpt-oss-20b", engine="llama.cpp", quantization="fp16",
        weight_bytes=12.83 * 2**30,
    )  # fmt: skip
    assert found.scenario.quantization == "mxfp4_f16"


def test_users_beyond_the_servers_cap_wait() -> None:
    scenario = posed(batch_size=None, max_concurrency=100, max_batch=32).scenario
    assert (scenario.max_concurrency, scenario.max_num_seqs) == (100, 32)


def test_a_run_that_was_never_steady_is_graded_as_what_was_in_flight() -> None:
    found = posed(
        batch_size=None, request_rate=0.2, latency_s=500.0, requests_per_s=0.05,
        peak_concurrency=49.0,
    )  # fmt: skip
    assert (found.scenario.request_rate, found.scenario.max_concurrency) == (None, 25)
    assert "25 were in flight on average, 49 at most" in found.warnings[0]


def test_a_steady_run_at_a_rate_is_graded_at_that_rate() -> None:
    found = posed(
        batch_size=None, request_rate=2.0, requests=600, latency_s=3.0, requests_per_s=1.99
    )
    assert found.scenario.request_rate == 2.0


UNLIKE = ("RTX 5090", "RTX 3090 Ti")


def test_unlike_cards_have_layers_of_their_own() -> None:
    found = posed_without_gpu(
        unlike_gpus=UNLIKE, gpus=2, pp=2, engine="llama.cpp", tensor_split="3/2"
    )
    card = found.scenario.gpu
    assert isinstance(card, Gpu)
    assert [one.id for one in card.beside] == ["rtx-5090", "rtx-3090-ti"]
    assert (found.scenario.tensor_split, found.scenario.pp) == ("3/2", 1)


def test_unlike_cards_that_share_layers_are_both_named() -> None:
    with pytest.raises(InputError, match=r"unlike cards \(RTX 5090, RTX 3090 Ti\)"):
        posed_without_gpu(unlike_gpus=UNLIKE, gpus=2, tp=2)


def test_layers_that_a_run_left_to_the_host_are_graded_as_such() -> None:
    found = posed(engine="llama.cpp", n_gpu_layers=20, cpu="AMD EPYC 9654 96-Core Processor",
                  max_batched_tokens=2048)  # fmt: skip
    assert (found.scenario.n_gpu_layers, found.scenario.host) == (20, "epyc-9654")
    assert found.scenario.max_num_batched_tokens == 2048
    assert any("host's memory is not named" in text for text in found.warnings)
    given = posed(engine="llama.cpp", n_cpu_moe=4, options={"host_memory": "DDR5-6000 x2"})
    assert given.scenario.n_cpu_moe == 4
    assert not any("host's memory is not named" in text for text in given.warnings)


def test_a_host_that_is_not_in_the_catalogue_is_said() -> None:
    found = posed(engine="llama.cpp", n_gpu_layers=20, cpu="Kunpeng 9999 Ultra")
    assert found.scenario.host is None
    assert any("Kunpeng 9999 Ultra, is not in the catalogue" in text for text in found.warnings)


def test_a_run_on_cpus_alone_is_one_of_the_host() -> None:
    found = posed(gpu_said="cpu:AMD EPYC 9654 96-Core Processor", engine="llama.cpp")
    assert isinstance(found.scenario.gpu, Gpu)
    assert found.scenario.gpu.is_host


def posed_without_gpu(**said: Any) -> ResultScenario:
    return posed(**{"gpu": None, **said})


def test_speculation_that_the_result_states_is_graded_where_the_model_can_draft() -> None:
    found = posed(
        model_said="deepseek-ai/DeepSeek-V3", gpu="h200", tp=8, acceptance_length=1.8,
    )  # fmt: skip
    scenario = found.scenario
    assert (scenario.speculative, scenario.draft_tokens) == ("mtp", 1)
    assert scenario.acceptance == pytest.approx(0.8, abs=1e-3)


def test_drafts_of_nobody_knows_what_are_free() -> None:
    found = posed(acceptance_length=2.5)
    scenario = found.scenario
    assert (scenario.speculative, scenario.draft_tokens) == ("ngram", 2)
    assert found.doubts == ()
    assert any("takes no time here" in note for note in found.notes)


def test_what_drafts_is_given_and_how_many_are_accepted_is_the_results() -> None:
    found = posed(
        acceptance_length=2.5, draft_tokens=3,
        options={"speculative": "draft_model", "draft_model": "Qwen/Qwen3-0.6B"},
    )  # fmt: skip
    scenario = found.scenario
    assert (scenario.draft_tokens, scenario.acceptance_length) == (3, 2.5)


def test_speculation_that_cannot_be_modelled_proves_nothing() -> None:
    found = posed(acceptance_length=20.5)
    assert found.scenario.speculative is None
    assert found.doubts == ("speculation of 20.50 tokens a step is not in the limit",)


def test_a_count_at_the_cards_name_divides_the_model_over_so_many() -> None:
    """sgl-project/sglang#6681 says "GPU: H20 TP2"."""
    assert posed(gpu="2x4090").scenario.tp == 2
    said = posed(gpu_said="H20 TP2")
    assert isinstance(said.scenario.gpu, Gpu)
    assert (said.scenario.gpu.id, said.scenario.tp) == ("h20-96gb", 2)
    assert posed(gpu="2x4090", options={"engine": "llama.cpp"}).scenario.pp == 2


def test_a_run_whose_latency_says_that_few_were_in_flight_was_not_sent_at_once() -> None:
    """vllm-project/vllm#12845: 772 requests in 330 s, 249 ms + 225 x 108 ms each: 57 at a time."""
    found = posed(
        batch_size=None, requests=772, input_len=169, output_len=226,
        ttft_s=0.2495, tpot_s=0.1082, output_tokens_per_s=529.33, requests_per_s=2.34,
    )  # fmt: skip
    assert found.scenario.max_concurrency == 58
    assert found.scenario.request_rate is None
    assert "772 requests, 58 in flight" in " ".join(found.warnings)
    queued = posed(batch_size=None, requests=772, requests_per_s=2.34, latency_s=180.0)
    assert queued.scenario.request_rate == float("inf")


def test_figures_of_a_load_at_lengths_that_nobody_said_prove_nothing() -> None:
    typed = Result("command line", "", setup(input_len=None, output_len=None, max_concurrency=32),
                   output_tokens_per_s=350.0)  # fmt: skip
    assert resolve(typed, gpu=None, model=None, options={}).doubts_above
    alone = Result("command line", "", setup(input_len=None, output_len=None, batch_size=1),
                   decode_tokens_per_s=35.0)  # fmt: skip
    assert not resolve(alone, gpu=None, model=None, options={}).doubts_above


@pytest.mark.parametrize(
    ("typed", "engine", "quantization"),
    [("llama3.1:8b", "llama.cpp", "q4_k_m"), ("llama3.1:8b", "vllm", None),
     ("unsloth/Llama-3.1-8B-Instruct-GGUF:Q6_K", "llama.cpp", "q6_k")],
)  # fmt: skip
def test_a_typed_name_says_the_format_where_the_result_says_none(
    typed: str, engine: str, quantization: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = posed(model=typed, engine=engine)
    assert isinstance(found.scenario.model, ModelConfig)
    assert found.scenario.model.id.startswith("meta-llama/Llama-3.1-8B")
    assert found.scenario.quantization == quantization
