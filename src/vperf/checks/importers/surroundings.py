"""What stands around a printed result: command lines, Namespace(...), an engine's log, the cards.

A summary seldom says what ran; the lines above it do, in the words of the tools' own options.
Later lines win over earlier ones. Not here: the results (one file a tool).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

from vperf.checks.result import Setup
from vperf.errors import InputError
from vperf.sources.engines import engine_id
from vperf.sources.tensor_places import parse_overrides
from vperf.sources.weight_names import quantization_named

_MAX_READ = 200_000
"""Characters of text before a result that are looked at; a server's log may be endless."""

_SERVERS = {
    "vllm serve": "vllm", "vllm.entrypoints": "vllm", "sglang.launch_server": "sglang",
    "sglang serve": "sglang", "trtllm-serve": "trtllm", "llama-server": "llama.cpp",
    "text-generation-launcher": "tgi", "mlx_lm.server": "mlx", "lmdeploy serve": "lmdeploy",
}  # fmt: skip
"""Commands that serve, and vperf's engines; those that it has not are the importers' to name."""
_IMAGES = {
    "vllm/vllm-openai": "vllm", "rocm/vllm": "vllm", "lmsysorg/sglang": "sglang",
    "ggml-org/llama.cpp": "llama.cpp", "huggingface/text-generation-inference": "tgi",
}  # fmt: skip
"""Images whose arguments are those of a server."""
_IN_IMAGE = re.compile(
    rf"({'|'.join(map(re.escape, _IMAGES))})(?::v?(\d+(?:\.\d+)+)?[\w.-]*)?(?=[\s\"']|$)"
)
_VERSION = "version of the image"
_CLIENTS = (
    "vllm bench", "benchmark_serving", "benchmark_throughput", "benchmark_latency",
    "sglang.bench_serving", "sglang.bench_offline_throughput", "sglang.bench_one_batch",
    "trtllm-bench", "llama-bench", "llama-batched-bench", "llama-sweep-bench", "llama-cli",
    "llama-completion", "genai-perf", "aiperf", "guidellm", "mlx_lm.generate", "mlx_lm.benchmark",
    "evalscope perf", "ollama run", "llama-benchy", "inference-perf", "token_benchmark_ray.py",
    "profile_throughput.py", "profile_restful_api.py", "ktransformers.local_chat", "local_chat.py",
)  # fmt: skip
_COMMAND = re.compile("|".join(rf"(?<![\w/.-]){re.escape(name)}\b|(?<=/){re.escape(name)}\b"
                               for name in (*_SERVERS, *_CLIENTS)))  # fmt: skip
_POSITIONAL = frozenset({"vllm serve", "trtllm-serve", "lmdeploy serve", "ollama run"})
"""Commands whose first bare word is the model."""
_LLAMA = {
    "m": "model", "hf": "model", "hfr": "model", "ngl": "n_gpu_layers", "ctk": "cache_type_k",
    "ctv": "cache_type_v", "np": "parallel", "ncmoe": "n_cpu_moe", "c": "ctx_size",
    "cmoe": "cpu_moe", "fa": "flash_attn", "sm": "split_mode", "ts": "tensor_split",
    "ot": "override_tensor",
    "g": "gpus", "tp": "tp", "pp": "pp", "dp": "dp",
}  # fmt: skip
"""Short options: those of llama.cpp, and -tp of the others."""

_REPRS = ("Namespace(", "ServerArgs(", "non-default args", "LLM engine (", "EngineArgs(")
"""What stands before options that are printed as Python writes them."""
_PAIR = re.compile(
    r"""(?:\b(\w+)=|['"](\w+)['"]:\s*)"""
    r"""(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|([^\s,(){}\[\]'"]+))"""
)
_PRINTED = {
    "traffic request rate": "request_rate", "request rate": "request_rate",
    "burstiness factor": "burstiness", "maximum request concurrency": "max_concurrency",
    "max request concurrency": "max_concurrency", "max reqeuest concurrency": "max_concurrency",
    "max concurrency": "max_concurrency",
}  # fmt: skip
_LINE = re.compile(r"^[ \t]*([A-Za-z][\w ]{2,40}?)[ \t]*:[ \t]*(\S+)", re.MULTILINE)

_REPEATED = {"override_tensor"}
"""Options that may be given several times."""

Options = Mapping[str, str]


def options_in(text: str) -> dict[str, str]:
    """Every option that the text gives a tool or an engine, by its long name with underscores."""
    return dict(_options(text[-_MAX_READ:]))


def command_lines(text: str) -> list[str]:
    """The commands of tools and engines in the text, from their name to the end of the line."""
    found = (match and line[match.start() :] for line in text.splitlines()
             for match in [_COMMAND.search(line)])  # fmt: skip
    return [line.rstrip() for line in found if line]


@lru_cache(maxsize=4)
def _options(text: str) -> Options:
    """Of many runs with one text above them, read once."""
    found: dict[str, str] = {}
    tools = [name for name in (*_SERVERS, *_CLIENTS) if name in text]
    for line in _joined(text):
        if any(name in line for name in _REPRS):
            found.update(_pairs(line))
        elif match := _IN_IMAGE.search(line):
            inner = _COMMAND.search(line, match.end())
            if inner is None or not {*_SERVERS, *_POSITIONAL} & {inner[0]}:
                found.update(_command(line, match))
            else:
                found.update(_command(line, inner))
            found[_ENGINE] = _IMAGES[match[1]]
            if match[2]:
                found[_VERSION] = match[2]
        elif any(name in line for name in tools) and (match := _COMMAND.search(line)):
            given: dict[str, str] = {}
            for name, value in _command(line, match):
                again = name in _REPEATED and name in given
                given[name] = f"{given[name]},{value}" if again else value
            if engine := _SERVERS.get(match[0]):
                given[_ENGINE] = engine
            found.update(given)
        elif match := _LINE.match(line):
            key = _PRINTED.get(match[1].lower())
            if key:
                found[key] = match[2]
    return found


_ENGINE = "engine of the command"
"""Beside the options of a server."""


def setup_of(options: Options, notes: list[str]) -> Setup:
    """What the options say was run."""
    model = _first(options, "model", "model_path", "model_id", "hf_repo", "hf_repo_id", "model_tag")
    if model is None:
        model = _first(options, "tokenizer", "tokenizer_path", "tokenizer_id")
    quantization = _first(options, "quantization", "quant")
    cache = _first(options, "kv_cache_dtype", "cache_type_k", "cache_type_v")
    engine = options.get(_ENGINE)
    tp = _whole(options, "tensor_parallel_size", "tensor_parallel", "tp_size", "tp")
    dp = _whole(options, "data_parallel_size", "dp_size", "dp")
    if "enable_dp_attention" in options and tp and dp and tp % dp == 0:
        tp //= dp  # SGLang's tp counts all GPUs, of which dp groups share the attention
    return Setup(
        model=model,
        engine=engine_id(engine) if engine else None,
        engine_version=options.get(_VERSION),
        tp=tp,
        pp=_whole(options, "pipeline_parallel_size", "pipeline_parallel", "pp_size", "pp"),
        dp=dp,
        pcp=_whole(options, "prefill_context_parallel_size", "pcp"),
        dcp=_whole(options, "decode_context_parallel_size", "dcp_size", "dcp"),
        quantization=quantization_named(quantization, notes),
        kv_cache_dtype=None if cache in (None, "auto") else cache,
        max_batch=_whole(
            options, "max_num_seqs", "max_running_requests", "max_batch_size", "parallel"
        ),
        max_batched_tokens=_whole(
            options, "max_num_batched_tokens", "chunked_prefill_size", "max_num_tokens"
        ),
        burstiness=_number(options, "burstiness"),
        n_gpu_layers=_layers(options.get("n_gpu_layers", "")),
        n_cpu_moe=_whole(options, "n_cpu_moe"),
        cpu_moe=True if options.get("cpu_moe") == "true" else None,
        override_tensor=overrides(options.get("override_tensor", ""), notes),
        gpus=_numbered_cards(options.get("override_tensor", "")),
        cpu_offload_gb=_number(options, "cpu_offload_gb"),
    )


_ALL_LAYERS = 99
"""What people give for -ngl where they mean all."""


def _layers(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,2}", text) and int(text) < _ALL_LAYERS else None


def _numbered_cards(text: str) -> int | None:
    """How many cards -ot names, from CUDA0 on; None where it names no second one."""
    most = max((int(number) for number in re.findall(r"=\s*[A-Za-z]+(\d{1,2})\b", text)), default=0)
    return most + 1 if 0 < most < _MOST_CARDS else None


def overrides(text: str, notes: list[str]) -> tuple[str, ...] | None:
    """Patterns of -ot that are understood; the others are said."""
    found = []
    for part in filter(None, (each.strip() for each in re.split(r"[,;]", text))):
        try:
            list(parse_overrides((part,), _MOST_CARDS))
        except InputError:
            notes.append(f"-ot {part[:60]} is left out: it names neither the host nor a card")
        else:
            found.append(part)
    return tuple(found) or None


_MOST_CARDS = 16


def lengths_in(options: Options) -> tuple[float | None, float | None]:
    """Tokens in and out of a request, as a benchmark was asked for."""
    return (
        _number(options, "random_input_len", "random_input", "input_len", "isl"),
        _number(options, "random_output_len", "random_output", "output_len", "osl"),
    )


def filled(setup: Setup, other: Setup) -> Setup:
    """The setup, with what it does not say taken from the other."""
    missing = {
        name: value
        for name in Setup.__dataclass_fields__
        if getattr(setup, name) is None and (value := getattr(other, name)) is not None
    }
    return replace(setup, **missing)


_ARGUMENT = re.compile(
    r"[ \t]*(?:-[ \t]+)?[\"']?(?!\w+:(?:\s|$))([^\s\"']+(?:[ ][^\s\"']+)?)[\"']?[ \t]*$"
)
"""A line of a list, whose bullet Markdown's reader may have taken off."""
_LISTED = re.compile(r"[ \t]*-?[ \t]*(?:command|args):[ \t]*(.*)$")
_BRACKETED = re.compile(r"[\"'],[ \t]*[\"']")
_IMAGE = re.compile(r"[ \t]*-?[ \t]*image:[ \t]*[\"']?([^\s\"']+)")


def _manifests(text: str) -> Iterator[str]:
    """Lines, with the commands of docker compose and Kubernetes in one behind their image."""
    image, words = "", list[str]()
    listing = False
    for line in text.splitlines():
        if named := _IMAGE.match(line):
            image = named[1]
        elif listed := _LISTED.match(line):
            listing, said = True, listed[1].strip()
            words += _BRACKETED.sub(" ", said.strip("[]|>- ")).strip("\"'").split()
        elif listing and (argument := _ARGUMENT.match(line)):
            words.append(argument[1].strip())
        else:
            if words:
                yield f"{image} {' '.join(words)}"
            words, listing = [], False
            yield line
    if words:
        yield f"{image} {' '.join(words)}"


def _joined(text: str) -> Iterator[str]:
    """Lines, with those joined that a backslash continues."""
    before = ""
    for line in _manifests(text):
        if line.rstrip().endswith("\\"):
            before += line.rstrip()[:-1] + " "
            continue
        yield before + line
        before = ""
    if before:
        yield before


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    for name, key, single, double, bare in _PAIR.findall(line):
        value = single or double or bare
        if value and value not in ("None", "null"):
            yield name or key, value


def _command(line: str, match: re.Match[str]) -> Iterator[tuple[str, str]]:
    given = line[match.end() :]
    if _WINDOWS.search(given):  # a backslash is no escape there
        given = given.replace("\\", "/")
    try:
        words = shlex.split(given, comments=True)
    except ValueError:
        words = given.split()
    if match[0] in _POSITIONAL and words and not words[0].startswith("-"):
        yield "model", words[0]
    for word, after in pairwise([*words, ""]):
        if word in ("|", ">", ">>", "&&", ";"):
            return
        if not word.startswith("-") or word.strip("-").replace(".", "").isdigit():
            continue
        name, equals, value = word.lstrip("-").partition("=")
        name = name.replace("-", "_")
        if word.startswith("--"):
            name = _OTHERWISE.get(match[0], {}).get(name, _LONG.get(name, name))
        else:
            name = _SHORT_OTHERWISE.get(match[0], {}).get(name, _LLAMA.get(name, ""))
        if not equals:
            value = "" if after.startswith("--") else after
        if name:
            yield name, value or "true"


_WINDOWS = re.compile(r"(?<![A-Za-z])[A-Za-z]:\\")
_OTHERWISE = {
    "llama-benchy": {"pp": "", "tg": "", "depth": ""},
    "evalscope perf": {"parallel": "max_concurrency", "number": "num_prompts"},
}
"""Options of a tool that mean another thing elsewhere."""
_SHORT_OTHERWISE = {"mlx_lm.generate": {"m": "max_tokens"}}
_LONG = {"concurrent": "max_concurrency", "concurrency": "max_concurrency",
         "num_gpu_layers": "n_gpu_layers", "gpu_layers": "n_gpu_layers"}  # fmt: skip


def _first(options: Options, *names: str) -> str | None:
    return next((options[name].strip() for name in names if options.get(name, "").strip()), None)


def _number(options: Options, *names: str) -> float | None:
    for name in names:
        try:
            value = float(options[name])
        except (KeyError, ValueError):
            continue
        if 0 < value < 1e12:
            return value
    return None


def _whole(options: Options, *names: str) -> int | None:
    value = _number(options, *names)
    return int(value) if value is not None and value.is_integer() else None


# Cards ---------------------------------------------------------------------------------------

_INDEXED = (
    re.compile(r"[ \t]*Device (\d+): ([^,\n]+),(.*)"),  # CUDA and ROCm
    re.compile(r"[ \t]*ggml_vulkan: (\d+) = (.+?) \|(.*)"),
    re.compile(
        r"[ \t]*\|[ \t]*(\d+)\|[ \t]*\[(?:level_zero|opencl):gpu:\d+\]\|[ \t]*([^|]+?)[ \t]*\|(.*)"
    ),
    re.compile(r"\|[ \t]+(\d+)[ \t]+((?:NVIDIA|Tesla|Quadro|GeForce) [\w /().-]+?)[ \t]{2,}(.*)"),
    re.compile(r"GPU (\d+): (.+?) \((UUID: .*)\)"),  # nvidia-smi -L
)
"""How backends and drivers list the GPUs that they found, from number 0 on."""
_NAMED = (
    re.compile(r"ggml_metal_\w+: (?:found device|GPU name): +(.+?)[ \t]*$"),
    re.compile(
        r"[ \t]*(?:GPU|Device|Card|Accelerator)(?: name| type)?[ \t]*:"
        r"[ \t]*([A-Z][\w ().+/-]{2,60}?)[ \t]*$"
    ),
)
_DISPLAY_ONLY = re.compile(
    r"\b(?:V3D|llvmpipe|SwiftShader|softpipe|Basic Render|ASPEED|Matrox|lavapipe)", re.IGNORECASE
)
"""What drives a screen, or is drawn by the CPU."""
_SHARED_MEMORY = re.compile(r"uma: 1\b")


def cards_in(text: str) -> list[str]:
    """The cards that the last list in the text names, each as often as it is there.

    Without those that only drive a display, and without the processor's own beside a discrete one,
    which llama.cpp leaves alone.
    """
    return list(_cards(text[-_MAX_READ:]))


@lru_cache(maxsize=4)
def _cards(text: str) -> tuple[str, ...]:
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        for pattern in _INDEXED:
            if match := pattern.match(line):
                if int(match[1][:6]) == 0:
                    found = []
                found.append((_without_driver(match[2]), match[3]))
                break
        else:
            for pattern in _NAMED:
                if match := pattern.match(line):
                    found = [(match[1], "")]
    if any("uma: 0" in rest and not _DISPLAY_ONLY.search(name) for name, rest in found):
        found = [each for each in found if not _SHARED_MEMORY.search(each[1])]
    return tuple(used_cards([name.strip().replace(",", " ") for name, _ in found]))


def used_cards(names: list[str]) -> list[str]:
    """The names without those of what only drives a display, where others are there."""
    return [name for name in names if not _DISPLAY_ONLY.search(name)] or names


def _without_driver(name: str) -> str:
    """Vulkan's line ends in the driver's name in brackets, after the card's."""
    parts = re.findall(r"\([^()]*\)", name)
    if len(parts) > 1 or (parts and name.endswith(parts[-1]) and "RADV" not in parts[-1]):
        cut = name.rfind(parts[-1])
        if cut > 0 and name.endswith(parts[-1]) and parts[-1].lower() not in ("(r)", "(tm)"):
            return name[:cut].strip()
    return name.strip()
