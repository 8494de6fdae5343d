"""How the market behaves: volatility level × trend filter."""
