"""The pure core: what a document is, what may happen to it, what follows. No file, git, clock or chance."""
