"""`vperf mcp`: answer an agent's scenarios over standard input and output.

Not here: the tools (mcp_server/).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import sys

from vperf.errors import InputError

EPILOG = """\
To add it to an agent, give its configuration this command:

\b
  vperf mcp

Needs the MCP SDK: pip install 'vperf[mcp]'. Tools: estimate, check, compare,
sweep, plan, fit, napkin, roofline, gpus, models, engines, workloads; each answers
as the command of its name, short unless detail is asked for.
"""


def mcp() -> None:
    """Serve an agent: each answer is an MCP tool on stdio.

    The Model Context Protocol's stdio transport; ends when its input does.
    """
    from vperf.mcp_server.protocol import serve

    if sys.stdin.isatty():
        raise InputError(
            "an agent starts this command and talks to it over a pipe",
            hint="add 'vperf mcp' to the agent's configuration",
        )
    serve()
