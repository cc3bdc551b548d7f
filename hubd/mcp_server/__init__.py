"""The mailbox for MCP clients: they look, and are told where to write. The package `mcp` lives here alone.

Guarantee: nothing that a client can send changes a byte of the mailbox. Who wants to act saves a file, and
every answer about something that can be acted on says which one, and what to write in it.
Rule 1: answers come from the read model, over the daemon's socket, else from the ledger opened for reading;
this process never becomes the hub. Rule 2: importing `mcp` takes longer than most commands do; nothing but
`hubctl mcp` and `hubd --http` imports this package's other modules.

    asking.py     questions, and where they are answered
    steps.py      which file to edit or drop, and its bytes, for each verb
    sizes.py      pages, and answers that stay small
    tools.py      the tools          shapes.py   what they take and give, as JSON Schemas
    resources.py  documents and inboxes by URI          prompts.py  how to claim, hand off, review, plan
    notices.py    who listens to what, and the news of a commit
    server.py     all of it as a server; stdio.py, http.py: how it is reached
"""
