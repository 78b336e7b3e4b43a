"""Many estimates: tables, curves and plans, each figure of which is that of `vperf.ask`."""
