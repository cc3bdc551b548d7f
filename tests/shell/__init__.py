"""The hub on real files, real git and real locks, in this process or in forks of it."""
