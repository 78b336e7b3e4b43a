"""Shell commands that launch an engine as it was estimated, and that measure it.

Their words are in the engine's file (sources/engine_keys.py); here are the values that they name:
model, tp, pp, ep, dp, pcp, dcp, stage, kv_cache, quantization, eager, max_model_len,
memory_utilization, max_batched_tokens, max_sequences, lora_rank, max_loras, role of a server;
kv_offload where it has a cache in host memory, kv_offload_gib of all its GPUs, kv_offload_gb and
kv_offload_bytes of each; of one on several nodes nodes, node_rank (others: not of the first), gpus,
node_gpus, and whether sequences (dp_local, dp_start) or one layout (span) are divided among them,
with $HEAD the first one's address; of drafts the name of the method (mtp, draft_model, eagle,
eagle3, ngram) with what drafts; drafts, branches, verified; model, input_tokens, output_tokens,
prefix_tokens, users, request_rate, prompts of a measurement.
Not here: the sentences around them (words.py, plan.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from vperf.answer import Speculative
from vperf.errors import UnknownNameError
from vperf.hardware.commands import file_lines, filled, names_of, takes
from vperf.hardware.engine import Engine, Launch
from vperf.hardware.scheduler import Scheduler
from vperf.sources.engines import load_engine
from vperf.values import dataclass

SIXTEEN_BIT = {"bf16", "fp16", "bfloat16", "float16", "auto", "none"}


@dataclass(frozen=True, slots=True)
class Drafts:
    """How a server drafts."""

    method: str
    tokens: int
    verified: int
    model: str = ""
    branches: int = 1


def drafts_of(speculative: Speculative | None) -> Drafts | None:
    """The drafts of an estimate."""
    if speculative is None:
        return None
    return Drafts(
        speculative.method, speculative.draft_tokens, speculative.verified_tokens,
        speculative.draft_model or "", speculative.branches,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """One replica. What is 0, None or "" is left to the engine."""

    engine: str
    model: str
    tp: int = 1
    pp: int = 1
    ep: int = 1
    dp: int = 1
    pcp: int = 1
    dcp: int = 1
    kv_cache: str = ""
    quantization: str = ""
    """What the engine itself quantizes 16-bit weights to when it loads them."""
    drafts: Drafts | None = None
    lora_rank: int = 0
    max_loras: int = 0
    kv_offload: bool = False
    """It has a cache in host memory."""
    kv_offload_bytes: float | None = None
    """Of all its GPUs; None: as large as the engine makes it."""
    cuda_graphs: bool = True
    max_model_len: int = 0
    memory_utilization: float | None = None
    max_batched_tokens: int = 0
    max_sequences: int = 0
    role: str = ""
    """"prefill" or "decode", where these are apart."""
    node_gpus: int = 0
    """Of a node; a replica of more is started on each of several."""

    @property
    def gpus(self) -> int:
        """Of the replica."""
        return self.tp * self.pp * self.dp * self.pcp

    @property
    def nodes(self) -> int:
        """That it takes."""
        return -(-self.gpus // self.node_gpus) if self.node_gpus else 1


@dataclass(frozen=True, slots=True)
class Bench:
    """A measurement: requests of one length, from users or at a rate."""

    input_tokens: int
    output_tokens: int
    users: int | None = None
    requests_per_s: float | None = None
    prefix_tokens: int = 0
    """Of the input, found in cache."""
    prompts: int | None = None
    """None: ten a user, or two minutes of them."""

    @property
    def load(self) -> dict[str, str]:
        """Users, rate and number of requests."""
        found, rate = {}, self.requests_per_s
        if rate is not None:
            found["request_rate"] = f"{rate:.6g}"
        if rate is None or self.users is not None:
            found["users"] = str(self.users or 1)
        most = 10 * (self.users or 1) if rate is None else max(100, round(120 * rate))
        return {**found, "prompts": str(self.prompts or most)}


def launch(server: Server) -> list[list[str]]:
    """The commands that start a server, each as words; empty for other engines."""
    engine = _engine(server.engine)
    how = engine.launch
    needs = [*(["role"] if server.role else []), *_needs(server.drafts)]
    needs += ["lora_rank"] if server.lora_rank else []
    needs += ["nodes"] if server.nodes > 1 else []
    if how is None or not all(takes(engine, name) for name in needs):
        return []
    cache = _cache_values(server)
    if cache and not any(takes(engine, name) for name in cache):
        return []
    values = _server_values(server, how)
    words = filled(how.words, values)
    if how.file is None:
        if server.nodes == 1:
            return [words]
        other = "1" if server.nodes == 2 else "$NODE"
        return [words, filled(how.words, {**values, **_of_node(server, other)})]
    lines = file_lines(how.file.get("options", {}), values)
    if not lines:
        return [words]
    name = how.file["name"]
    text = "\\n".join(lines)
    return [[f"printf '{text}\\n' > {name}"], [*words, how.file["flag"].replace("{file}", name)]]


def on_nodes(commands: Sequence[Sequence[str]], nodes: int) -> str:
    """What a reader must know of commands that start one server on several nodes."""
    text = " ".join(word for words in commands for word in words)
    found = f", on {nodes} nodes" if nodes > 1 else ""
    if "$HEAD" in text:
        found += " ($HEAD: the address of the first"
        found += f"; $NODE: 1 to {nodes - 1} on the others)" if "$NODE" in text else ")"
    return found


def _needs(drafts: Drafts | None) -> list[str]:
    """The values without which a server would not draft so."""
    if drafts is None:
        return []
    return [drafts.method, *(["branches"] if drafts.branches > 1 else [])]


def bench(engine: str, model: str, run: Bench) -> list[str]:
    """The command that measures a server, as words; empty for other engines."""
    words = _engine(engine).bench
    if run.prefix_tokens and not any("prefix_tokens" in names_of(word) for word in words):
        return []  # a prompt of which nothing is shared would be another load
    return filled(words, {
        "model": shlex.quote(model),
        "input_tokens": str(run.input_tokens - run.prefix_tokens),
        "output_tokens": str(run.output_tokens),
        **({"prefix_tokens": str(run.prefix_tokens)} if run.prefix_tokens else {}),
        **run.load,
    })  # fmt: skip


def quantizes(engine: str) -> bool:
    """Whether the engine itself narrows 16-bit weights when it loads them."""
    return takes(_engine(engine), "quantization")


def _engine(name: str) -> Engine:
    try:
        return load_engine(name)
    except UnknownNameError:  # one made in Python, which has no file
        return _WITHOUT_COMMANDS


_WITHOUT_COMMANDS = Engine("", "", 0.0, 0.0, Scheduler())


def folded(words: Sequence[str], width: int) -> list[str]:
    """A shell command on lines of at most `width`, each but the last ending in a backslash."""
    lines, line = [], words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > width - 4:
            lines.append(line + " \\")
            line = "    " + word
        else:
            line += " " + word
    return [*lines, line]


def _server_values(s: Server, how: Launch) -> dict[str, str]:
    """By their names in a template, the values that are set; what is left to the engine is not."""
    cache = how.names.get("kv_cache", {}).get(s.kv_cache, s.kv_cache)
    texts = {
        "model": shlex.quote(s.model),
        "quantization": s.quantization,
        "kv_cache": cache and shlex.quote(cache),
        "memory_utilization": "" if s.memory_utilization is None else f"{s.memory_utilization:g}",
        "eager": "" if s.cuda_graphs else "eager",
        "role": s.role,
        **_cache_values(s),
        # stage: the GPUs of a pipeline stage, where a tensor-parallel size counts groups in
        **_counts(
            2, tp=s.tp, pp=s.pp, ep=s.ep, dp=s.dp, pcp=s.pcp, dcp=s.dcp, stage=s.tp * s.dp * s.pcp
        ),
        **_counts(
            1, max_model_len=s.max_model_len, max_batched_tokens=s.max_batched_tokens,
            max_sequences=s.max_sequences, lora_rank=s.lora_rank, max_loras=s.max_loras,
        ),
    }  # fmt: skip
    if s.nodes > 1:
        texts |= {
            "nodes": str(s.nodes), "gpus": str(s.gpus), "node_gpus": str(s.node_gpus),
            **({"dp_local": str(s.dp // s.nodes)} if _shares(s) else {"span": "span"}),
            **_of_node(s, "0"),
        }  # fmt: skip
    if drafts := s.drafts:
        texts |= {
            drafts.method: drafts.model or drafts.method,
            **_counts(1, drafts=drafts.tokens, verified=drafts.verified, branches=drafts.branches),
        }
    return {name: text for name, text in texts.items() if text}


def _shares(s: Server) -> bool:
    """Whether each node has attention groups of its own."""
    return s.dp > 1 and s.dp % s.nodes == 0


def _of_node(s: Server, rank: str) -> dict[str, str]:
    """What differs from one node of a replica to another."""
    found = {"node_rank": rank}
    if rank != "0":
        found["others"] = rank
        if _shares(s):
            each = s.dp // s.nodes
            found["dp_start"] = str(int(rank) * each) if rank.isdigit() else f"$(({rank} * {each}))"
    return found


def _cache_values(s: Server) -> dict[str, str]:
    """Of the cache in host memory; without a size none but the word that an engine sizes itself."""
    if not s.kv_offload:
        return {}
    if s.kv_offload_bytes is None:
        return {"kv_offload": "kv_offload"}
    each = s.kv_offload_bytes / s.gpus
    return {
        "kv_offload": "kv_offload",
        "kv_offload_gib": f"{s.kv_offload_bytes / 2**30:g}",
        "kv_offload_gb": f"{max(1, int(each / 1e9))}",
        "kv_offload_bytes": f"{int(each)}",
    }


def _counts(least: int, **counts: int) -> dict[str, str]:
    return {name: str(count) for name, count in counts.items() if count >= least}
