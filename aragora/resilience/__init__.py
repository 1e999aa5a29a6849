"""Rules for a world that fails: circuit breaker, backoff, retry budget. All pure: times and random numbers come in."""
