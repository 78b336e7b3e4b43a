"""The command line: read arguments, ask the Python API once, write once."""
