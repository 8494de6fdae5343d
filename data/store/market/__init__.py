"""Bars that were fetched, kept to be read offline: every one of them can be fetched again."""
