"""The rules of the house, as tests over the sources."""
