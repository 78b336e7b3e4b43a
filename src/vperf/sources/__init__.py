"""Where facts come from: what ships, the disk, the Hub. The only layer that does I/O."""
