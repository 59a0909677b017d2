"""A planted fault: the worker answers first and commits a moment later."""
