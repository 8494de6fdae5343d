"""Alpaca, paper and live: stocks and crypto."""
