"""The suite: core is pure; shell uses real files and git; e2e, real programs; house, the rules of sources."""
