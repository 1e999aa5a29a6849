"""What operators see: metrics, logs, and the figures drawn from them."""
