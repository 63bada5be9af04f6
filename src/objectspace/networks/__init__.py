"""Networks: torch modules, their weights and their taps."""
