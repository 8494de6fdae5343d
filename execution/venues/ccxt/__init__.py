"""Twelve exchanges through ccxt: one adapter, and a table of what each really does."""
