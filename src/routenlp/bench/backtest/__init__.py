"""How a backtest is told: plain words first, then tables, then a picture."""
