"""The endpoints, one file for each kind of resource; each has a ``routes``."""
