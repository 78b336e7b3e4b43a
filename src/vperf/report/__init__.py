"""One file an output: values in, text out; nothing here prints."""
