"""A planted fault: the worker writes that a webhook was told before it has told it."""
