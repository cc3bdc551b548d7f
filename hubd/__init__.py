"""hubd: a governed workflow on a mailbox of Markdown files, every step a commit in git."""

__all__ = ["__version__"]

__version__ = "0.1.0"
