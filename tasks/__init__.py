"""Prefect wrapping only: retries, names and artifacts around the domain."""
