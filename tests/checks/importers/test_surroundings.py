"""What stands above a printed result: commands, Namespace(...), logs, lists of cards."""

from __future__ import annotations

from vperf.checks.importers.surroundings import cards_in, options_in, setup_of


def test_a_command_over_several_lines_gives_its_options() -> None:
    options = options_in(
        "$ docker run vllm/vllm-openai\n"
        "vllm serve Qwen/Qwen3-32B --tensor-parallel-size 2 \\\n"
        "  --max-num-seqs=64 --kv-cache-dtype fp8 # two cards\n"
    )
    setup = setup_of(options, [])
    assert (setup.model, setup.tp, setup.max_batch) == ("Qwen/Qwen3-32B", 2, 64)
    assert setup.kv_cache_dtype == "fp8"


def test_namespaces_and_engine_logs_are_read_and_the_last_wins() -> None:
    options = options_in(
        "Namespace(backend='vllm', model='a/b', max_concurrency=8, request_rate=inf)\n"
        "INFO Initializing a V1 LLM engine (v0.11.0) with config: model='a/c', quantization=fp8,"
        " tensor_parallel_size=4, kv_cache_dtype=auto\n"
        "Traffic request rate: 3.5\nMaximum request concurrency: None\n"
    )
    assert (options["model"], options["tensor_parallel_size"]) == ("a/c", "4")
    assert (options["request_rate"], options["max_concurrency"]) == ("3.5", "None")
    assert setup_of(options, []).quantization == "fp8"


def test_short_options_are_llama_cpps_and_a_benchmarks_pp_is_no_pipeline() -> None:
    llama = options_in("./llama-server -m /m/Q.gguf -ngl 99 -ctk q8_0 -np 4")
    assert (llama["model"], llama["cache_type_k"], llama["parallel"]) == ("/m/Q.gguf", "q8_0", "4")
    assert "pp" not in options_in("uvx llama-benchy --model x --pp 2048 --tg 32")


def test_each_list_of_cards_replaces_the_one_before() -> None:
    one = "ggml_cuda_init: found 1 CUDA devices:\n  Device 0: NVIDIA A, compute capability 8.6\n"
    assert cards_in(one + one + one) == ["NVIDIA A"]


def test_a_display_and_the_processors_own_graphics_are_no_cards() -> None:
    assert cards_in(
        "ggml_vulkan: 0 = AMD Radeon RX 7900 XT (RADV NAVI31) (radv) | uma: 0 | fp16: 1\n"
        "ggml_vulkan: 1 = V3D 7.1.7.0 (V3DV Mesa) | uma: 0 | fp16: 1\n"
        "ggml_vulkan: 2 = AMD Radeon Graphics (RADV RAPHAEL) (radv) | uma: 1 | fp16: 1\n"
    ) == ["AMD Radeon RX 7900 XT (RADV NAVI31)"]
    assert cards_in("ggml_vulkan: 0 = V3D 7.1.7.0 (V3DV Mesa) | uma: 1 |\n") == ["V3D 7.1.7.0"]


def test_sycl_and_metal_name_theirs() -> None:
    assert cards_in(
        "|ID|        Device Type|                   Name|\n"
        "| 0| [level_zero:gpu:0]|                Intel Arc A770 Graphics|   12.55|    512|\n"
    ) == ["Intel Arc A770 Graphics"]
    assert cards_in("ggml_metal_device_init: GPU name:   Apple M3 Max\n") == ["Apple M3 Max"]


def test_layers_and_experts_on_the_host_are_read_from_llama_cpps_command() -> None:
    line = r"llama-server -m q.gguf -ngl 20 -ncmoe 12 -ot 'blk\.1\..*=CPU' -ot exps=CPU -cmoe"
    setup = setup_of(options_in(line), [])
    assert (setup.n_gpu_layers, setup.n_cpu_moe, setup.cpu_moe) == (20, 12, True)
    assert setup.override_tensor == (r"blk\.1\..*=CPU", "exps=CPU")
    assert setup_of(options_in("llama-server -m q.gguf -ngl 99"), []).n_gpu_layers is None


def test_what_vllm_keeps_on_the_host_is_read() -> None:
    setup = setup_of(options_in("vllm serve Qwen/Qwen3-8B --cpu-offload-gb 8"), [])
    assert setup.cpu_offload_gb == 8
