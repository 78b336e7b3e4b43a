"""HOW LONG it takes: the limit and what is expected, op by op and step by step."""
