"""`vperf measure`: run kernels on this machine, and turn their times into a GPU file.

    backend.py        what a backend can do: run Ops, copy, launch (a Protocol)
    torch_backend.py  the one that exists: PyTorch on CUDA, ROCm, MPS, CPU
    torch_kernels.py  an Op as PyTorch's calls
    timers.py         seconds of a call: CUDA graphs, events, do_bench, the clock
    rates.py          large matmuls by format, copy, weight stream
    constants.py      the small constants, by inverting the forms of timing/expected.py
    all_reduce.py     collectives among several cards
    state.py          temperature, clocks, power before, during and after; warnings
    card.py           all of it, in order -> CardMeasurement
    gpu_file.py       CardMeasurement -> a GPU file
    step.py           the ops of a model's step, measured -> StepMeasurement

What is run is described by model.ops.Op, as in an estimate: `expected` of a measured card
reproduces the measurement because both read the same record. Only torch_*.py, timers.py and
all_reduce.py use torch. Nothing here changes a setting of the card.
"""
