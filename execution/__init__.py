"""The domain: no Prefect, no DuckDB, no clock."""
