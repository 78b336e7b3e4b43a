"""The keys of an engine's file: configs/engines/<id>.toml, or a user's own.

    name                          as it is shown
    aliases                       other spellings of the same program
    run_by                        programs that run it, and are taken as it: that is then said
    source checked                where the figures come from, and when they were looked at
    ...                           the fields of hardware.engine.Engine; times are text with units
    [scheduler]                   the fields of hardware.scheduler.Scheduler; [.small_cards]: those
                                  that differ on cards with less memory
    [[versions]]                  before: a version; what was otherwise of both before it, unless
                                  that of an older one says so
    [host]                        the fields of hardware.host.HostUse: what it leaves to the host
    [kernels_on.ARCHITECTURE]     the fields of hardware.engine.Kernels: where its are its own
    [launch]                      words: the command that starts a server, see below
        [launch.names]            kv_cache: what the engine calls vperf's formats
        [launch.file]             name, flag, [launch.file.options]: what it takes from a YAML file
                                  only, by the value that asks for it
    [bench]                       words: the command that measures a server
    [switches]                    what mends a fault or makes it faster, by checks/suspects.py:
                                  graphs, async, kv-fp8, fp8, tp, budget, offload, flash; log: what
                                  shows it in the engine's log. What [launch] has a word for needs
                                  none.
    [formats]                     two_bit to eight_bit: its weights of so many bits; cache: the same
    [converts]                    what its files make of a checkpoint's format; else it loads those

A command is a list of words. A word holds values in braces ("--tp-size {stage}") and is left out
where one of them is not set; {when = "eager", word = "--enforce-eager"} holds none but hangs on
one. Their names are in report/commands.py. Not here: the checks (schema.py).
"""

from __future__ import annotations

from typing import Any

from vperf.hardware.engine import BITS, Kernels, ShareOf
from vperf.hardware.gpu import PIPES
from vperf.hardware.host import Offloads
from vperf.hardware.scheduler import Policy
from vperf.sources.keys import AMOUNT, BYTES, SECONDS, SHARE, STEPS, WORDS, Each, Key, Keys, Rows

_TIMES = {
    "host_time_per_step": "host_s_per_step",
    "host_time_per_sequence": "host_s_per_sequence",
    "draft_time_per_step": "draft_s_per_step",
    "draft_time_per_pass": "draft_s_per_pass",
    "launch_time": "launch_s",
    "eager_host_time_per_step": "eager_host_s_per_step",
    "eager_launch_time": "eager_launch_s",
    "quantize_time_per_element": "quantize_s_per_element",
}
_REQUIRED_TIMES = ("host_time_per_step", "launch_time")
_PLAIN: dict[str, Any] = {
    "cuda_graphs": bool,
    "fused_quantize": bool,
    "fp8_attention": bool,
    "fp8_cache": bool,
    "sums_in_half": bool,
    "encoder_bytes_per_element": float,
    "flash_attention": bool,
    "share_of": ShareOf,
    "counts_graphs": bool,
    "pads_experts": bool,
    "sorts_logits": bool,
    "all_reduce_latency": float,
    "quantize_kernels": float,
    "prefill_share": float,
    "recurrent_share": float,
    "wide_stream": float,
    "narrow_stream": float,
    "nested_stream": float,
    "nested_compute": float,
    "nested_few": float,
    "grouped_compute": float,
    "grouped_cache": float,
    "ignores_windows": list[str],
    "vector_products_per_clock": float,
    "ttft_spread": tuple[float, float],
    "prefill_spread": tuple[float, float],
    "decode_spread": tuple[float, float],
    "compute_share": Each(float, PIPES),
}

_SCHEDULER: Keys = {
    "policy": Key("policy", Policy),
    "max_batched_tokens": Key("max_batched_tokens", int),
    "max_sequences": Key("max_sequences", int),
    "splits_prompts": Key("splits_prompts", bool),
    "admission_steps": Key("admission_steps", STEPS),
    "receive_interval": Key("receive_interval", int),
    "wait_steps": Key("wait_steps", STEPS),
    "wait_share": Key("wait_share", AMOUNT),
    "reserves_output": Key("reserves_output", bool),
    "frontend_time": Key("frontend_s", SECONDS),
    "frontend_time_per_token": Key("frontend_s_per_token", SECONDS),
    "prompt_step_time": Key("prompt_step_s", SECONDS),
    "warm_up_time": Key("warm_up_s", SECONDS),
    "transit_time": Key("transit_s", SECONDS),
}
SMALL_CARDS: Keys = {
    "memory_below": Key("memory_below_bytes", BYTES, required=True),
    "cards": Key("cards", list[str]),
    **_SCHEDULER,
}
KERNELS: Keys = {name: Key(name, float) for name in Kernels.__slots__}

HOST: Keys = {
    "offloads": Key("offloads", Offloads, required=True),
    "stream": Key("stream", float),
    "experts_stream": Key("experts_stream", float),
    "compute": Key("compute", float),
    "tiles": Key("tiles", bool),
    "unpacks_once": Key("unpacks_once", bool),
    "sockets": Key("sockets", AMOUNT),
    "crossing_time": Key("crossing_s", SECONDS),
    "link_share": Key("link_share", float),
    "streams_from": Key("streams_from", AMOUNT),
    "experts_stream_evenly": Key("experts_stream_evenly", bool),
    "source": Key("", str),
    "checked": Key("", str),
}
LAUNCH: Keys = {
    "words": Key("words", WORDS, required=True),
    "names": Key("names", Each(Each(str), ("kv_cache",))),
    "file": Key(
        "file",
        {
            "name": Key("name", str, required=True),
            "flag": Key("flag", str, required=True),
            "options": Key("options", Each(dict[str, str | dict[str, str]])),
        },
    ),
}
ENGINE_FILE: Keys = {
    "name": Key("name", str, required=True),
    "aliases": Key("", list[str]),
    "run_by": Key("", list[str]),
    "source": Key("source", str),
    "checked": Key("checked", str),
    **{
        name: Key(field, SECONDS, required=name in _REQUIRED_TIMES)
        for name, field in _TIMES.items()
    },
    "memory_utilization": Key("memory_utilization", SHARE),
    "scheduler": Key(
        "scheduler", {**_SCHEDULER, "small_cards": Key("small_cards", SMALL_CARDS)}, required=True
    ),
    "versions": Key(
        "versions",
        Rows(
            {
                "before": Key("before", str, required=True),
                "memory_utilization": Key("memory_utilization", SHARE),
                **_SCHEDULER,
                "streams_from": HOST["streams_from"],
                **{name: Key(field, SECONDS) for name, field in _TIMES.items()},
                **{name: Key(name, kind) for name, kind in _PLAIN.items()},
            }
        ),
    ),
    "kernels_on": Key("kernels_on", Each(KERNELS)),
    "host": Key("host", HOST),
    "pipelines_prompts": Key("pipelines_prompts", bool),
    "shares_context_cache": Key("shares_context_cache", bool),
    **{name: Key(name, kind) for name, kind in _PLAIN.items()},
    "launch": Key("launch", LAUNCH),
    "bench": Key("bench", {"words": Key("words", WORDS, required=True)}),
    "switches": Key("switches", Each(str)),
    "formats": Key("formats", Each(str, (*BITS.values(), "cache"))),
    "converts": Key("converts", Each(str)),
}
