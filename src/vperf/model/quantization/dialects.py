"""Every dialect of quantization_config by the name that configs give it.

Imported only for a config that has one. Not here: what a dialect means (one file each).
"""

from __future__ import annotations

from collections.abc import Callable

from vperf.formats import Format
from vperf.model.checkpoint import Config
from vperf.model.quantization import (
    bitsandbytes,
    by_bits,
    compressed_tensors,
    fields,
    floats,
    mlx,
    modelopt,
    packed,
    quark,
    torchao,
)  # fmt: skip
from vperf.model.quantization.scheme import Reading

Reader = Callable[[Config, Format], Reading]

DIALECTS: dict[str, Reader] = {
    "fp8": floats.read_fp8,
    "fbgemm_fp8": floats.read_fbgemm,
    "mxfp4": floats.read_mxfp4,
    "gpt_oss_mxfp4": floats.read_mxfp4,
    "mxfp8": floats.read_mxfp8,
    "compressed-tensors": compressed_tensors.read_compressed_tensors,
    "compressed_tensors": compressed_tensors.read_compressed_tensors,
    "awq": packed.read_awq,
    "awq_marlin": packed.read_awq,
    "gptq": packed.read_gptq,
    "gptq_marlin": packed.read_gptq,
    "gptqmodel": packed.read_gptq,
    "auto-round": packed.read_auto_round,
    "auto_round": packed.read_auto_round,
    "intel/auto-round": packed.read_auto_round,
    "bitsandbytes": bitsandbytes.read_bitsandbytes,
    "bitnet": bitsandbytes.read_bitnet,
    "mlx": mlx.read_mlx,
    "quark": quark.read_quark,
    "torchao": torchao.read_torchao,
    "hqq": by_bits.read_hqq,
    "aqlm": by_bits.read_aqlm,
    "exl2": by_bits.read_exllama,
    "exl3": by_bits.read_exllama,
    "quanto": by_bits.read_quanto,
    "eetq": by_bits.read_eetq,
}
"""By quant_method, in lower case."""
MODELOPT = frozenset({"modelopt", "modelopt_fp4", "modelopt_mixed", "modelopt_mxfp8"})
"""quant_methods of ModelOpt, which has a file of its own beside config.json."""


def read(own: Config | None, hf: Config | None, default: Format) -> Reading | None:
    """What quantization_config (`own`) and hf_quant_config.json (`hf`) say, by their dialect."""
    if own is None:
        return modelopt.read_modelopt(None, hf, default) if hf is not None else None
    method = own.text("quant_method", default="").lower()
    if method in MODELOPT or modelopt.speaks_modelopt(own):
        return modelopt.read_modelopt(own, hf, default)
    if not method:
        if own.has("config_groups"):
            return compressed_tensors.read_compressed_tensors(own, default)
        if mlx.speaks_mlx(own):
            return mlx.read_mlx(own, default)
        if own.has("load_in_4bit") or own.has("load_in_8bit"):  # before transformers named methods
            return bitsandbytes.read_bitsandbytes(own, default)
        raise own.error("missing; it is needed", "quant_method")
    read = DIALECTS.get(method)
    if read is None:
        raise fields.unsupported(own, "quant_method", f"quant_method {method!r}")
    if (
        hf is not None
        and hf.has("quant_algo")
        and (method, hf.text("quant_algo")) != ("fp8", "FP8")
    ):
        raise fields.unsupported(
            own,
            "quant_method",
            f"{method!r} with {hf.text('quant_algo')!r} in hf_quant_config.json",
        )
    return read(own, default)


def read_experts(nest: Config, reading: Reading | None) -> Reading | None:
    """The same with the routed experts in the format of their own that `expert_dtype` names."""
    kind = nest.text("expert_dtype")
    if kind == "fp4":
        return floats.with_fp4_experts(reading)
    if kind in ("fp8", "bf16", "bfloat16"):
        return reading
    raise fields.unsupported(nest, "expert_dtype", f"expert_dtype {kind!r}")
