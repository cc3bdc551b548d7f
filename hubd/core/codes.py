"""Every code with which something is refused: what it means, and what to do about it.

Guarantee: a code is a part of the contract; it is never renamed and never takes another meaning.
Rule: a refusal that brings no hint of its own shows the one that stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Code:
    """A rule by its code."""

    about: str
    hint: str


_SHOWN = "write the line as it is shown here"

SHELL = frozenset({"too-fast", "hub-defect"})
"""The codes that no decision gives: the shell says them."""

CODES: Mapping[str, Code] = MappingProxyType(
    {
        # bytes that are no document
        "bad-key": Code("A key is not spelled as keys are.", _SHOWN),
        "bad-yaml": Code("The header is not YAML.", "correct the line"),
        "control-character": Code("A character that cannot be seen.", "remove the character"),
        "duplicate-key": Code("One key stands twice in a header.", "leave one of the two lines"),
        "header-too-large": Code("A header is larger than 64 KiB.", "move text from the header to the body"),
        "hub-marker": Code(
            "The hub's markers in somebody else's text.", "remove the marker lines and what is between"
        ),
        "inline-comment": Code("A comment behind a value, or a value that YAML would cut.", _SHOWN),
        "mixed-newlines": Code("Lines of one header end in different ways.", "end all lines the same way"),
        "multi-line-value": Code("A value goes over several lines.", _SHOWN),
        "no-header": Code(
            "There is no front matter.", "begin with a line `---`, then `key: value` lines, then `---`"
        ),
        "not-a-mapping": Code(
            "The header is not made of `key: value` lines.", "write one `key: value` on each line"
        ),
        "not-utf8": Code("The bytes are not UTF-8.", "save the file as UTF-8"),
        "too-deep": Code("Lists and mappings nest too deep.", "nest less"),
        "too-large": Code(
            "Larger than the contract allows.", "make it shorter, or name a file of your project instead"
        ),
        "unclosed-block": Code("The hub's block has lost its end.", "restore the line `<!-- /hub -->`"),
        "unclosed-header": Code("The header has no closing fence.", "end the header with a line `---`"),
        "unquoted-value": Code(
            "YAML would read the value as something else.", "put the value in double quotes"
        ),
        "yaml-feature": Code(
            "Anchors, aliases, tags, merge keys and directives.", "write the text out, in quotes"
        ),
        # fields
        "bad-name": Code(
            "The file's name cannot be used here.", "use a-z, 0-9, `.`, `_` and -, and end in .md"
        ),
        "bad-value": Code("A value has not the form of its field.", "correct the value"),
        "has-id": Code("A new document carries an id.", "remove the line, or drop a request about that id"),
        "hub-line": Code(
            "A line that the hub writes was written or altered.", "leave the line as it was, or out"
        ),
        "missing-key": Code("A key that is needed is not there.", "add the line"),
        "not-sendable": Code("A kind that nobody sends.", "drop a request to act on such a document"),
        "unknown-key": Code(
            "A key that this kind does not have.", "correct it, or begin your own keys with x-"
        ),
        "unknown-kind": Code("A kind that does not exist.", "write one of the kinds that can be sent"),
        # files
        "deleted": Code("Something live was removed.", "act on it instead of removing it"),
        "hub-ground": Code("A place where only the hub writes.", "save new documents in your outbox"),
        "not-a-file": Code("A link, a pipe, a folder or the like.", "save a plain text file"),
        "not-delivered": Code("A file that the hub did not put there.", "save new documents in your outbox"),
        "read-only": Code(
            "The text of a document was changed by somebody who may not.", "write to its author instead"
        ),
        # who
        "not-yours": Code("The step is for somebody else.", "ask the one whose it is"),
        "unknown-agent": Code("The sender has no card.", "ask the operator for a card, cards/NAME.md"),
        "unknown-host": Code("An address names another hub.", "leave out what follows @"),
        "unknown-recipient": Code("No agent has this name.", "name somebody who has a card"),
        "no-such-capability": Code("No agent has this capability.", "name an agent, or another capability"),
        "no-task": Code("`owner` was written where no task is named.", "add a line `task:`"),
        "no-approver": Code("Too few may approve this.", "name more `approvers:` in hub.yaml"),
        # what
        "unknown-id": Code("No document has this id.", "copy the id from your inbox"),
        "wrong-state": Code("The document's state does not allow the step.", "see what can be done now"),
        "already-sent": Code(
            "Changed bytes came after the document could be changed.", "send it under another name"
        ),
        "not-amendable": Code("A part that cannot be changed afterwards.", "send a new document instead"),
        "already-approved": Code("One person approves once.", "somebody else must approve too"),
        "already-claimed": Code("Somebody else holds it.", "take another, or wait"),
        "ambiguous-decision": Code("Two decisions at once.", "leave one of them"),
        "plan-changed": Code(
            "The plan is not the one that was read.", "read it again, and decide on what it says now"
        ),
        "stale-buffer": Code(
            "The document changed since it was read.", "read it again and make the change there"
        ),
        "stale-lease": Code("The lease named is not the one that is held.", "claim it anew"),
        "lease-taken": Code("Somebody else holds the key, or paths that overlap.", "wait, or ask the holder"),
        "duplicate-message": Code(
            "A dedupe_key was used before, with other bytes.", "use a new key for a new message"
        ),
        "still-needed": Code("Something depends on it.", "change first what depends on it"),
        # runs
        "cannot-start": Code("Nobody can be started under this name.", "give its card a `command:`"),
        "nothing-to-do": Code(
            "Nothing in the agent's inbox needs it.", "send a task or a message first, or name documents"
        ),
        "paused": Code("The agent, or the whole hub, is paused.", "resume it first"),
        "wrong-documents": Code(
            "A run cannot be for these documents.", "name what lies in the agent's inbox and needs it"
        ),
        # limits
        "run-too-deep": Code("max_depth.", "act on it yourself, or raise the limit"),
        "too-many-assignments": Code("max_assignments_per_round.", "plan the rest in a later round"),
        "too-many-held": Code("max_simultaneous_assignments.", "hand one off or release one first"),
        "too-many-hops": Code("max_hop_count.", "act on it, or write to a person"),
        "too-many-messages": Code("max_messages_per_task.", "decide, or close the task"),
        "too-many-recipients": Code("max_recipients.", "name fewer"),
        "too-many-runs": Code("replicas of the card, or max_concurrency.", "wait for the end of a run"),
        "too-many-rounds": Code("max_rounds.", "approve what is there, or close the task"),
        # said by the shell, not decided
        "too-fast": Code(
            "More than `rate` proposals a minute.", "nothing is lost; what waits is judged in its turn"
        ),
        "hub-defect": Code("hubd failed on it; nothing was changed.", "report it"),
    }
)
