"""Programs that write source files of this repository from others; ``make generate`` runs them."""
