"""How near are vperf's answers to measurements: four modes, data by path.

    python benchmarks/accuracy.py kernels DIR           one kernel at a time
    python benchmarks/accuracy.py single-stream FILE    one user, through vperf.estimate
    python benchmarks/accuracy.py serving FILE          many users, through vperf.estimate
    python benchmarks/accuracy.py offload [FILE]       part of the model on the host
    python benchmarks/accuracy.py report DIR FILE       all three, as docs/accuracy.md

Each prints tables of errors and, as its last line, one JSON object. A row that vperf refuses counts
as refused; a row left out is counted with its reason.
"""

from __future__ import annotations

import sys
from importlib import import_module

MODES = {
    "kernels": "accuracy_kernels",
    "single-stream": "accuracy_single_stream",
    "serving": "accuracy_serving",
    "offload": "accuracy_offload",
    "report": "accuracy_report",
}


def main(arguments: list[str]) -> int:
    """Run the mode that the first argument names."""
    if not arguments or arguments[0] not in MODES:
        print(__doc__)
        return 2
    return int(import_module(MODES[arguments[0]]).main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
