"""Start agents, watch them, stop them; nothing of a run outlives it.

One small program, the wrapper, is started for each run and owns everything that run starts. The hub speaks
with it over two pipes, and never has an agent as its own child.

    running one     spec        what a wrapper is told: the command, its environment, its limits
                    control     the hub's side: `Wrapped.start(spec)`, and then a descriptor to watch
                    wrapper     the program: `python -m hubd.launch.wrapper`
                    sweeping    finds what belongs to a run, and ends it (processes, cgroup, kernel)
                    capping     logs that keep their head and their tail
    watching one    attach      a person's terminal on a run that goes on (framing: what goes over its socket)
                    replaying   a run's terminal, afterwards
    which one       context, presets, granting, environment: the command line of each client that is known
                    results, records: what a client says came of it; health: whether it can run here; litter
    in a container  engine, questions: the engine's API; box, mounting, sources: what an agent sees in there

Guarantee: when a wrapper has said `ended`, no process of its run is left; when a wrapper was killed itself,
`sweeping.sweep` ends what it has left. What escapes is said in `sweeping`.
Rule: this package knows nothing of leases, of the ledger, or of who is to be started.
"""
