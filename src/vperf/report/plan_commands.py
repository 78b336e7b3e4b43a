"""The commands that launch the winner of a plan and measure it.

Not here: how engines are started (commands.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vperf.explore.candidates import Layout
from vperf.explore.plan import Plan
from vperf.report.commands import (
    SIXTEEN_BIT,
    Bench,
    Server,
    bench,
    drafts_of,
    launch,
    on_nodes,
    quantizes,
)
from vperf.report.document import (
    Shell,
)
from vperf.report.format import clean
from vperf.report.names import nameable, own_cache
from vperf.resolve.load import resolve_lengths


def commands(answer: Plan) -> list[Shell]:
    """The commands that launch the winner and measure it."""
    best, estimate = answer.winner, answer.estimate
    if best is None or estimate is None or not nameable(estimate):
        return []
    scenario, model = best.scenario, estimate.model
    given = estimate.workload
    engine, layout = given.engine, best.layout
    online = scenario.quantization == "fp8" and answer.stored in SIXTEEN_BIT and quantizes(engine)
    figures = best.row.figures
    running = figures.serving.running_batch if figures and figures.serving else 1.0
    if best.pools:
        running /= best.pools.decode.replicas

    kept = estimate.kept
    in_memory = kept is not None and kept.place == "host"

    def server(of: Layout, role: str = "") -> Server:
        return Server(
            engine, model.id, of.tp, of.pp, of.ep, of.dp, of.pcp, of.dcp,
            kv_cache=own_cache(estimate),
            quantization="fp8" if online else "",
            drafts=drafts_of(estimate.speculative),
            lora_rank=given.lora_rank,
            max_loras=given.max_loras,
            cuda_graphs=scenario.cuda_graphs,
            max_model_len=scenario.max_model_len or given.prompt_tokens + given.output_tokens,
            memory_utilization=answer.memory_utilization,
            max_batched_tokens=answer.max_batched_tokens,
            max_sequences=scenario.max_num_seqs or _sequences(running),
            role=role,
            kv_offload=in_memory,
            kv_offload_bytes=kept.size_bytes if kept and in_memory else None,
            node_gpus=estimate.gpu.per_node,
        )  # fmt: skip

    def words(found: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(each) for each in found if each)

    hit = scenario.prefix_cache_hit or resolve_lengths(scenario).prefix_hit
    prefix = int(given.prompt_tokens * hit)
    share = Bench(
        given.prompt_tokens, given.output_tokens, scenario.max_concurrency, scenario.request_rate,
        prefix_tokens=prefix,
    )  # fmt: skip
    stored = best.what_if and not online
    which = f", with a checkpoint in {clean(best.weights)}" if stored else ""
    if best.pools:
        found = [
            (
                f"Launch {_each(side.replicas)} for {role}{which}",
                words(launch(server(side.layout, role))),
            )
            for role, side in (("prefill", best.pools.prefill), ("decode", best.pools.decode))
        ]
        rate = answer.request_rate
        whole = Bench(given.prompt_tokens, given.output_tokens, None, rate, prefix)
        found.append(("Measure it, through a router", words([bench(engine, model.id, whole)])))
    else:
        started, nodes = launch(server(layout)), server(layout).nodes
        one = "one replica under its share of the load" if best.replicas > 1 else "it"
        found = [
            (f"Launch {_each(best.replicas)}{which}{on_nodes(started, nodes)}", words(started)),
            (f"Measure {one}", words([bench(engine, model.id, share)])),
        ]
    return [
        Shell(f"{title}:", text, when="always", tight=number > 0)
        for number, (title, text) in enumerate(found)
        if text
    ]


def _each(replicas: int) -> str:
    return f"each of {replicas} replicas" if replicas > 1 else "the replica"


def _sequences(running: float) -> int:
    """Room for the running batch and some that start: 256, as engines have it, or doubled."""
    most = 256
    while most < 1.25 * running:
        most *= 2
    return most
