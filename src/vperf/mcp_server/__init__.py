"""vperf for agents: its answers as tools of the Model Context Protocol, over standard input/output.

tools.py     what each tool answers, cut down to what fits a conversation
protocol.py  the tools as the protocol has them, and the server
"""
