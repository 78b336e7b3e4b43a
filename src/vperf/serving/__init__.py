"""Many requests on one deployment: memory, concurrency, queueing."""
