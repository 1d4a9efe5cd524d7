"""The stock ticker: what a tick is, when ticks are due, who publishes them, and what can still be had."""
