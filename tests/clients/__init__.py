"""The real clients, each started as its preset says, against a stub model server on loopback."""
