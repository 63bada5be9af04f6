"""All that writes a store: images indexed, embeddings added, factors erased."""
