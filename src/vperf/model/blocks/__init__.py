"""Mechanisms, one file each: how a config spells it, what it weighs, caches and asks for.

A block is a frozen value that answers the four scenarios of `Block`. Norms and other small
vectors are `vectors`: counted and streamed, too small for an op of their own.
"""
