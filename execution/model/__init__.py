"""What the domain speaks of: instruments, signals, orders, fills, positions, plans."""
