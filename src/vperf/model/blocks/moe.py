"""Mixture of experts: a router, routed experts of which a token uses `active`, shared experts.

A step of T tokens reads D = E (1 - (1 - k/E)^T) distinct experts (uniform routing, declared in the
answer) and does T k expert passes; shared experts are a dense MLP beside them.
"""

from __future__ import annotations

from dataclasses import replace

from vperf.formats import Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.dense import DenseMlp, build
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.ops import Coordinates, Linear, Work, matmul, popular_experts, touched_experts
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class MixtureOfExperts(Block):
    """`experts` equal MLPs, `active` of them per token; all weights of one expert are listed."""

    experts: int
    active: int
    expert: DenseMlp
    router: Linear
    shared: DenseMlp | None = None
    shared_gate: Linear | None = None
    """A [1, hidden] gate on the shared expert (Qwen2-MoE)."""
    vectors: int = 0
    expert_vectors: int = 0
    """Those of `vectors` that are of all experts together (a norm behind them): a token uses its
    share of them."""
    identities: int = 0
    """Zero experts that the router may pick and that do nothing (LongCat-Flash)."""
    favours: bool = False
    """The router has favourites: softmax and top k, with no bias that corrects its scores until all
    experts are taken alike (as DeepSeek-V3's does)."""
    latent: tuple[Linear, ...] = ()
    """Down before the routed experts and up behind them, where these work in a narrower space
    (Nemotron-3); router and shared experts stay at the hidden width."""

    @property
    def part(self) -> str:
        """What its weights are counted as."""
        return "routers and shared experts"

    def in_words(self) -> str:
        """What it is."""
        shared = f", shared {self.shared.down.in_features}" if self.shared else ""
        latent = ", latent" if self.latent else ""
        width = self.expert.down.in_features
        return f"experts {self.active} of {self.experts}, width {width}{latent}{shared}"

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """Router, every expert, shared experts."""
        one = tuple(linear for _, linear in self.expert.linears)
        return (
            (1, self.router),
            *((1, linear) for linear in self.latent),
            *((self.experts, linear) for linear in one),
            *(self.shared.linears if self.shared else ()),
            *(((1, self.shared_gate),) if self.shared_gate else ()),
        )

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """The columns of the shared experts."""
        return self.shared.divided if self.shared else ()

    @property
    def expert_split(self) -> tuple[int, int]:
        """Routed experts and the columns of one."""
        return self.experts, self.expert.down.in_features

    def routed_elements(self, ways: int) -> float:
        """Of each of its experts gate and up, or the sum's terms where these are wider, and what
        the activation makes of them (two buffers, vLLM's fused_moe)."""
        width, down = self.expert.down.in_features / ways, self.expert.down.out_features
        return self.active * (max(2 * width, down) + width)

    @property
    def favours_experts(self) -> bool:
        """As its router was trained."""
        return self.favours

    @property
    def idle_parameters(self) -> int:
        """Experts that one token is not routed to, even where it picks no zero expert."""
        one = sum(linear.parameters for _, linear in self.expert.linears)
        idle = self.experts - self.active
        return idle * one + self.expert_vectors * idle // self.experts

    @property
    def elementwise_elements(self) -> int:
        """The shared expert's activation; the experts' own are part of the grouped kernel."""
        return self.shared.elementwise_elements if self.shared else 0

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Router, the grouped matmuls of the experts as one op, the shared expert."""
        tokens = step.tokens
        real = self.experts / (self.experts + self.identities)
        passes = tokens * self.active * real
        targets = self.experts + self.identities
        distinct = real * step.fact(touched_experts, targets, self.active)
        weights = [linear for _, linear in self.expert.linears]
        first, last = weights[0], weights[-1]
        one = sum(w.stored_bytes for w in weights)
        experts: Work[Q] = Work(
            "experts",
            "moe",
            passes * sum(2.0 * w.in_features * w.out_features for w in weights),
            first.format,
            weight_bytes=distinct * one,
            input_elements=passes * first.in_features,
            output_elements=passes * last.out_features,
            shape=(tokens, self.active, self.experts, first.in_features, last.in_features),
            least_bytes=max(0, self.active - self.identities) * one,
            popular_bytes=real * step.fact(popular_experts, targets, self.active) * one
            if self.favours else None,
            modules=() if self.identities else tuple((w.name, w.out_features) for w in weights),
        )  # fmt: skip
        return (
            *matmul("router", (self.router,), tokens, adapts=False),
            *(matmul("latent_down", self.latent[:1], tokens) if self.latent else ()),
            experts,
            *(matmul("latent_up", self.latent[1:], tokens) if self.latent else ()),
            *(self._shared_ops(step, cache)),
        )

    def _shared_ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        if self.shared is None:
            return ()
        up, down = self.shared.ops(step, cache)[:-1], self.shared.ops(step, cache)[-1]
        gates = (self.shared_gate,) if self.shared_gate else ()
        gate = matmul("shared_gate", gates, step.tokens, adapts=False)
        return (
            *(_renamed(op, f"shared_{op.name}") for op in up),
            _renamed(down, f"shared_{down.name}"),
            *gate,
        )


def _renamed(op: Work[Q], name: str) -> Work[Q]:
    return replace(op, name=name)


EXPERT_KEYS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
ACTIVE_KEYS = (
    "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "top_k_experts",
    "experts_per_token",
)  # fmt: skip

_FAVOURING = frozenset({
    "gpt_oss", "qwen3_moe", "qwen3_next", "qwen3_5_moe_text", "qwen3_vl_moe_text", "qwen2_moe",
    "mixtral", "phimoe", "olmoe", "granitemoe", "deepseek_v2",
})  # fmt: skip
"""model_type of routers with favourites (MixtureOfExperts.favours)."""


def read(
    config: Config,
    layer: int,
    scope: Scope,
    *,
    gated: bool = True,
    expert_bias: bool = False,
    router_bias: bool = False,
    shared_width: int = 0,
    shared_bias: bool = False,
    shared_gate: bool = False,
    experts: int | None = None,
    active: int | None = None,
    identities: int = 0,
    vectors: int = 0,
    width: int | None = None,
    width_keys: tuple[str, ...] = ("moe_intermediate_size", "intermediate_size"),
    names: tuple[str, str, str] = ("gate", "experts", "shared_experts"),
) -> MixtureOfExperts:
    """Experts of a layer; `experts`, `active` and `width` where they have names of their own.

    A score-correction bias per expert (DeepSeek-V3) is a buffer, not a parameter: not counted.
    """
    hidden = hidden_size(config)
    experts = experts or config.integer(*EXPERT_KEYS)
    active = active or config.integer(*ACTIVE_KEYS)
    if active > experts:
        raise config.error(f"routes to {active} of {experts} experts", ACTIVE_KEYS[0])
    if width is None:
        if config.declares(width_keys[0]):
            width_keys = width_keys[:1]  # its own default, never another key's value
        width = config.integer(*width_keys)
    router, expert, shared = names
    one = scope.child(f"{expert}.0")
    return MixtureOfExperts(
        experts,
        active,
        _expert(one, hidden, width, gated, expert_bias),
        scope.linear(router, hidden, experts + identities, bias=router_bias, kind="router"),
        build(scope.child(shared), hidden, shared_width, gated=gated, bias=shared_bias)
        if shared_width
        else None,
        scope.linear("shared_expert_gate", hidden, 1, kind="router") if shared_gate else None,
        vectors=vectors,
        identities=identities,
        favours=config.text("model_type", default="") in _FAVOURING,
    )


def _expert(scope: Scope, hidden: int, width: int, gated: bool, bias: bool) -> DenseMlp:
    names = ("gate_proj", "up_proj") if gated else ("up_proj",)
    return DenseMlp(
        tuple(scope.linear(n, hidden, width, bias=bias, kind="expert") for n in names),
        scope.linear("down_proj", width, hidden, bias=bias, kind="expert"),
    )
