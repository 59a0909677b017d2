"""The examples in README and docs, run as they stand."""
