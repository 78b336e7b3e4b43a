"""WHERE it runs."""
