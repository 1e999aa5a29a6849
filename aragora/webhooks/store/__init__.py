"""The store of webhooks: endpoints, events, deliveries, their attempts, and who owns which target. The context
`webhooks`: a file of its own, so that deliveries never wait for the journal's lock, nor the journal for theirs."""
