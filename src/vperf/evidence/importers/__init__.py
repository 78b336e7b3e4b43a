"""One file a benchmark tool: its result files as `evidence.result.Result`s."""
