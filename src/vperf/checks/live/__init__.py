"""A running server as a result: what it served between two looks at its metrics.

Read-only: GET alone. Not here: grading (checks/check.py).
"""

from __future__ import annotations

from vperf.checks.live.server import DURATION_S, is_server, read_server

__all__ = ["DURATION_S", "is_server", "read_server"]
