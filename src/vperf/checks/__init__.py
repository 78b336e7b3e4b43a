"""Measurements: of benchmark tools, read and graded, and those made on this machine's card."""
