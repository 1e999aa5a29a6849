"""What turns texts into vectors: a model inside the process, or an address with OpenAI's interface."""
