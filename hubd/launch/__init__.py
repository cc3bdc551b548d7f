"""Start agents, watch them, stop them; nothing of a run outlives it.

One small program, the wrapper, is started for each run and owns everything that run starts. The hub speaks
with it over two pipes, and never has an agent as its own child.

    spec        what a wrapper is told: the command, its environment, its limits
    control     the hub's side: `Wrapped.start(spec)`, and then a descriptor to watch
    wrapper     the program: `python -m hubd.launch.wrapper`
    sweeping    finds what belongs to a run in /proc, and ends it
    attach      a person's terminal on a run that goes on
    replaying   a run's terminal, afterwards
    capping     logs that keep their head and their tail

Guarantee: when a wrapper has said `ended`, no process of its run is left; when a wrapper was killed itself,
`sweeping.sweep` ends what it has left.
Rule: this package knows nothing of mailboxes, documents or leases.
"""
