"""The runs whose whole output is kept: every command and form, and each kind of model and load."""

from __future__ import annotations

from collections.abc import Mapping

_QWEN = "-m qwen3-4b-instruct-2507 -g rtx-4090"
_SERVED = "-m qwen3-32b -g h100 --tp 2 --quantization fp8 --max-concurrency 64 --input-len 2000"
_SPREAD = "-m deepseek-v3 -g h200 --dp 8 --ep 8 --batch-size 64"
_DRAFTS = "-m glm-4.5-air -g h200 --tp 4 --speculative mtp --acceptance 0.8"
_APPLE = "-m llama-3.1-8b-instruct -g m3-max-40-core --engine mlx --quantization mlx_q4"
_PLAN = "-m qwen3-8b -g l40s,h100 --tpot 20ms --ttft 1s --request-rate 5 --max-gpus 4"
_SWEEP = "-m qwen3-4b-instruct-2507 -g rtx-4090 --batch-size 1,8,64"
_COMPARE = "-m qwen3-8b -g h100,l40s,rtx-4090"

INVOCATIONS: Mapping[str, str] = {
    "napkin.txt": "napkin",
    "napkin_moe.txt": "napkin -m qwen3-30b-a3b -g h100",
    "napkin.json": f"napkin {_QWEN} --json",
    "estimate_dense.txt": f"estimate {_QWEN}",
    "estimate_dense_ops.txt": f"estimate {_QWEN} --ops",
    "estimate_dense.json": f"estimate {_QWEN} --json",
    "estimate_dense.md": f"estimate {_QWEN} --markdown",
    "estimate_dense.csv": f"estimate {_QWEN} --csv",
    "estimate_moe.txt": "estimate -m qwen3-30b-a3b -g h100 --batch-size 16 --ops",
    "estimate_mla_tp8.txt": "estimate -m deepseek-v3 -g h200 --tp 8 --ops",
    "estimate_mla_dp8_ep8.json": f"estimate {_SPREAD} --json",
    "estimate_hybrid.txt": "estimate -m qwen3-next-80b-a3b-instruct -g h200 --tp 2 --ops",
    "estimate_served.txt": f"estimate {_SERVED}",
    "estimate_served.json": f"estimate {_SERVED} --json",
    "estimate_drafts.txt": f"estimate {_DRAFTS}",
    "estimate_gguf.txt": "estimate -m tiny.gguf -g rtx-4090 --engine llama.cpp --ops",
    "estimate_apple.txt": f"estimate {_APPLE}",
    "estimate_does_not_fit.txt": "estimate -m llama-3.1-70b-instruct -g rtx-4090",
    "check_good.txt": f"check {_QWEN} --decode-tok-s 97.2 --ttft 62ms",
    "check_impossible.txt": f"check {_QWEN} --decode-tok-s 190",
    "check_slow.txt": f"check {_QWEN} --decode-tok-s 52 --ttft 150ms",
    "check_served.txt": "check serve.json -g rtx-4090",
    "check_served.json": "check serve.json -g rtx-4090 --json",
    "check_served.md": "check serve.json -g rtx-4090 --markdown",
    "check_llama_bench.txt": "check llama_bench.json -g rtx-4090",
    "check_llama_bench.csv": "check llama_bench.json -g rtx-4090 --csv",
    "compare.txt": f"compare {_COMPARE}",
    "compare.json": f"compare {_COMPARE} --json",
    "compare.md": f"compare {_COMPARE} --markdown",
    "compare.csv": f"compare {_COMPARE} --csv",
    "sweep.txt": f"sweep {_SWEEP}",
    "sweep_plot.txt": f"sweep {_SWEEP} --plot",
    "sweep.json": f"sweep {_SWEEP} --json",
    "sweep.jsonl": f"sweep {_SWEEP} --jsonl",
    "sweep.md": f"sweep {_SWEEP} --markdown",
    "sweep.csv": f"sweep {_SWEEP} --csv",
    "plan.txt": f"plan {_PLAN}",
    "plan.json": f"plan {_PLAN} --json",
    "plan.md": f"plan {_PLAN} --markdown",
    "plan.csv": f"plan {_PLAN} --csv",
    "fit.txt": "fit -m qwen3-32b -g rtx-4090",
    "fit.json": "fit -m qwen3-32b -g rtx-4090 --json",
    "fit.md": "fit -m qwen3-32b -g rtx-4090 --markdown",
    "fit.csv": "fit -m qwen3-32b -g rtx-4090 --csv",
    "roofline.txt": "roofline -m qwen3-8b -g h100",
    "roofline.json": "roofline -m qwen3-8b -g h100 --json",
    "roofline.md": "roofline -m qwen3-8b -g h100 --markdown",
    "roofline.csv": "roofline -m qwen3-8b -g h100 --csv",
    "gpus_one.txt": "gpus h100",
    "gpus_one.json": "gpus h100 --json",
    "models_one.txt": "models deepseek-v3",
    "models_one.json": "models qwen3-30b-a3b --json",
    "help.txt": "--help",
    "estimate_help.txt": "estimate --help-all",
    "measure_help.txt": "measure --help",
    "error_unknown_gpu.txt": "estimate -m qwen3-8b -g h1000",
}  # fmt: skip
"""File of tests/snapshots/outputs -> the command line. Its paths are those of inputs/."""
