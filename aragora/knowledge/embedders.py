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


def runnable(besides: Embedder) -> tuple[Embedder, ...]:
    """The embedders that any installation can run, but for that one: an address that the settings name no more is not
    among them, for its key is gone."""
    embedded = EmbeddedEmbedder()
    return () if embedded.embedder_id == besides.embedder_id else (embedded,)
