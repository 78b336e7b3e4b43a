"""WHERE it runs: typed views of GPUs and engines. No files, no time."""
