"""WHAT is computed: config.json to layers to ops. No hardware, no time, no files."""
