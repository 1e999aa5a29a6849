"""Which embedder an installation has."""

from __future__ import annotations

from aragora.config.settings import Settings
from aragora.knowledge.search.embedders.embedded import EmbeddedEmbedder
from aragora.knowledge.search.embedders.openai_compatible import EmbeddingsAddress, OpenAICompatibleEmbedder
from aragora.knowledge.search.embedding import Embedder


def open_embedder(settings: Settings) -> Embedder:
    """The embedder of the settings: behind their address, or the one inside the process."""
    address, key = settings.knowledge_embeddings_url, settings.knowledge_embeddings_key
    if address is None:
        return EmbeddedEmbedder()
    return OpenAICompatibleEmbedder(
        EmbeddingsAddress(
            address=str(address),
            key="none" if key is None else key.get_secret_value(),
            model=settings.knowledge_embeddings_model,
            dimension=settings.knowledge_embeddings_dimension,
        )
    )
