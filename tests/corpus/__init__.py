"""Collected and generated mail goes in and comes out as it was, by every way there is."""
