"""The demo: the whole story, from a dropped task to an approved second round, with nothing mocked.

`main` makes a mailbox and a real git project in a temporary folder, and starts a real hubd and the agents,
processes of their own that only read and save files. It answers 0 when everything came out as it must.
"""

from hubd.demo.story import main

__all__ = ["main"]
