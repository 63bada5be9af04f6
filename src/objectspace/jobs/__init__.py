"""Jobs that write a store: index images, add embeddings, erase factors."""
