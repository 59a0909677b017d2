"""What was acknowledged is there, once, whatever is killed at whatever moment."""
