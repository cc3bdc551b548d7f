"""Git in people's own projects: worktrees for agents, evidence of what they did, and what a project is.

Guarantee: a project is not touched beyond what `worktree` says it adds, and only where a card asks for it.
Rule: this package knows nothing of the ledger; it is given plain words and answers with plain words.
"""

from hubd.project.committing import commit_all
from hubd.project.describe import Described, describe
from hubd.project.evidence import Evidence, examine
from hubd.project.plumbing import HUBD, ProjectError
from hubd.project.repository import Named, Repository
from hubd.project.retiring import Listed, retire, worktrees
from hubd.project.wishes import Wishes, read_wishes
from hubd.project.worktree import Worktree, find, prepare

__all__ = [
    "HUBD", "Described", "Evidence", "Listed", "Named", "ProjectError", "Repository", "Wishes", "Worktree",
    "commit_all", "describe", "examine", "find", "prepare", "read_wishes", "retire", "worktrees",
]  # fmt: skip
