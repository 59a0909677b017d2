"""Not a fault: the worker repeats what failed after moments, where customers wait for hours."""
