"""The books against what the venue says."""
