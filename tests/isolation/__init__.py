"""Nobody reaches what is not his, and nobody learns that it exists."""
