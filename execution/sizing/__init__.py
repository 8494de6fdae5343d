"""From a wish to a quantity."""
