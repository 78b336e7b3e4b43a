"""Formats of quantized weights as checkpoints store them: the rows of formats.py with the group
sizes, scale widths and zero points that a config asks for.

Scale widths checked against whole repositories: RedHatAI w8a8 and w8a16 store a 16-bit scale per
channel (Meta-Llama-3-8B: 9,084,013,360 bytes = weights + scales + 60 kB of headers).
"""

from __future__ import annotations

from dataclasses import replace

from vperf.formats import (
    BF16,
    FP8,
    FP8_BLOCK,
    FP8_TENSOR,
    INT4,
    INT8,
    INT8_WEIGHT_ONLY,
    MXFP4,
    MXFP8,
    NVFP4,
    Format,
    Path,
)  # fmt: skip

_PIPE = {"fp8": 8, "int8": 8, "fp4": 4}
"""Pipes that multiply quantized activations, with the activations' bits."""


def computing(format: Format, pipe: str | None) -> Format:
    """The same storage, multiplied in `pipe` where a card has it (None: in 16 bit)."""
    paths = BF16.paths if pipe is None else (Path(pipe, _PIPE[pipe]), *BF16.paths)
    return format if paths == format.paths else replace(format, paths=paths)


def grouped(name: str, group: int, usual: int) -> str:
    """`name`, with the group size where it is not the usual one."""
    if group == usual:
        return name
    return f"{name}_g{group}" if group else f"{name}_channel"


def fp8_block(block: tuple[int, int], *, scale_bits: int = 32, weight_only: bool = False) -> Format:
    """A scale per block; DeepSeek's [128, 128] in fp32, DeepSeek-V4's in one byte (ue8m0)."""
    out, inner = block
    name = "fp8_block" if block == (128, 128) else f"fp8_block{out}x{inner}"
    if out == 1 and scale_bits == 8:
        name = grouped("mxfp8", inner, 32)
    fmt = replace(FP8_BLOCK, name=name, block_out=out, block_in=inner, scale_bits=scale_bits)
    if block != (128, 128):
        fmt = replace(fmt, summary=f"fp8, a scale per {out} x {inner} block")
    return replace(fmt, name=f"{name}_w8a16", paths=BF16.paths) if weight_only else fmt


def fp8(
    strategy: str, *, scale_bits: int = 32, weight_only: bool = False, static: bool = False
) -> Format:
    """One scale per "tensor" or per output "channel"; static activations add one of their own."""
    fmt = FP8_TENSOR if strategy == "tensor" else FP8
    fmt = replace(fmt, scale_bits=scale_bits, tensor_bits=scale_bits if static else 0)
    if weight_only:
        fmt = replace(
            fmt, name=f"{fmt.name}_w8a16", paths=BF16.paths,
            summary="fp8 weights, 16-bit arithmetic",
        )  # fmt: skip
    return fmt


def nvfp4(*, group: int = 16, weight_only: bool = False, pipe: str = "fp4") -> Format:
    """fp8 scales per 16, an fp32 scale of those and one for inputs (ModelOpt)."""
    fmt = replace(NVFP4, name=grouped("nvfp4", group, 16), block_in=group, tensor_bits=64)
    if weight_only:
        return replace(
            fmt, name=f"{fmt.name}_w4a16", paths=BF16.paths, tensor_bits=32,
            summary=f"fp4 weights, an fp8 scale per {group}, 16-bit arithmetic",
        )  # fmt: skip
    return fmt if pipe == "fp4" else replace(computing(fmt, pipe), name=f"{fmt.name}_w4a8")


def mxfp4(*, pipe: str | None = "") -> Format:
    """One-byte scales per 32; pipe "": as gpt-oss is run (fp8 activations on Blackwell)."""
    if pipe == "":
        return MXFP4
    suffix = {None: "w4a16", "fp8": "w4a8"}.get(pipe, "w4a4")
    return replace(computing(MXFP4, pipe), name=f"mxfp4_{suffix}")


def mxfp6(pipe: str | None) -> Format:
    """One-byte scales per 32; four elements in three bytes."""
    mx = replace(MXFP8, bits=6, summary="fp6, an 8-bit scale per 32")
    return replace(computing(mx, pipe), name="mxfp6" if pipe else "mxfp6_w6a16")


def mxfp8(*, group: int = 32) -> Format:
    """One-byte scales per 32 elements."""
    return replace(MXFP8, name=grouped("mxfp8", group, 32), block_in=group)


def integers(
    bits: int,
    group: int,
    *,
    zero_point: bool = False,
    scale_bits: int = 16,
    stored_bits: float | None = None,
    pipe: str | None = None,
    index_bits: int = 0,
    prefix: str = "",
) -> Format:
    """Integer weights with a scale (and a zero point of the same width) per group of inputs.

    group 0: per output channel. stored_bits: where packing wastes some.
    """
    name = prefix or f"int{bits}"
    if bits == 8 and not group and not zero_point and not prefix:
        base = INT8 if pipe == "int8" else INT8_WEIGHT_ONLY
        name = base.name if pipe in (None, "int8") else "int8_w8a8_fp8"
    elif group or not prefix:
        name = grouped(name, group, 128)
    if bits != 8 and pipe is not None:
        name = f"{name}_{pipe}_act"
    axis = f"per {group}" if group else "per channel"
    zero = " and zero point" if zero_point else ""
    act = "16-bit arithmetic" if pipe is None else f"{pipe} activations"
    return replace(
        computing(INT4, pipe),
        name=name,
        bits=stored_bits if stored_bits is not None else bits,
        scale_bits=scale_bits + (min(bits, 8) if zero_point else 0),
        block_in=group,
        index_bits=index_bits,
        summary=f"int{bits} weights, {act}, a scale{zero} {axis}",
    )


def label(format: Format) -> str:
    """How a Scheme's name spells a format: "fp8 (block 128x128)", "int4 g32"."""
    if format.name.startswith("fp8_block"):
        return f"fp8 (block {format.block_out}x{format.block_in})"
    known = {
        "fp8": "fp8 (per channel)", "fp8_tensor": "fp8 (per tensor)", "int8": "int8 (w8a8)",
        "int8_w8a16": "int8 (w8a16)", "int4": "int4 g128",
    }  # fmt: skip
    return known.get(format.name, format.name.replace("_", " "))


def mixture(formats: list[Format]) -> str:
    """The name of a scheme of several formats, each once."""
    labels = list(dict.fromkeys(label(format) for format in formats))
    return labels[0] if len(labels) == 1 else f"{' + '.join(labels)} (mixed)"
