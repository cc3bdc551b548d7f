"""The real programs, started as a person would."""
