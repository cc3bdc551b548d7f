#!/usr/bin/env bash
# An agent of a mailbox in bash: claims, works, hands off, reads its mail. Files only: no hubctl, no library.
#     agent.sh MAILBOX NAME COMMAND...    COMMAND is given the assignment on stdin; its last line is the summary
# In a card, for hubd to start it:  command: [bash, /path/to/agent.sh, "{mailbox}", "{agent}", COMMAND]
set -uo pipefail
home=${1:-$HUB_MAILBOX}/agents/${2:-$HUB_AGENT} word=${HUB_RUN:-w$$}; shift 2

field() { sed -n "/^---\$/,/^---\$/s/^$2: //p" "$1" 2>/dev/null | head -n 1; }   # field FILE KEY

send() { # send NAME LINE...: save a document and wait until it is judged; fails, and says why, where it is refused
  local name=$1-$$-$RANDOM$RANDOM.md; shift
  printf '%s\n' --- "$@" --- > "$home/drafts/$name" && mv "$home/drafts/$name" "$home/outbox/$name"
  while [ -e "$home/outbox/$name" ]; do sleep 0.1; done
  [ -e "$home/refused/$name" ] || return 0
  local bounce; until bounce=$(grep -ls "^about: .*/$name\$" "$home"/inbox/b-*.md); do sleep 0.1; done
  sed '1,/^---$/d' "$bounce" >&2; rm -f "$bounce"; return 1
}

quoted() { printf '"%s"' "$(tail -n 1 | tr -d '[:cntrl:]' | sed 's/[\\"]/\\&/g' | cut -c 1-400)"; }

assignment() { # claim it, unless this run holds it; read back; work; hand off
  local file=$1 id lease said result; shift
  id=$(field "$file" id)
  [ -z "${HUB_RUN:-}" ] || [ "$id" = "${HUB_ASSIGNMENT:-}" ] || return      # a run does what it was started for
  if [ "$(field "$file" state)" = pending ]; then
    send claim 'kind: request' 'do: claim' "on: $id" "worker: $word" || return
    while [ "$(field "$file" state)" = pending ]; do sleep 0.1; done
  fi
  [ "$(field "$file" worker)" = "$word" ] || return      # it went to somebody else
  lease=$(field "$file" lease)
  said=$("$@" < "$file"); result=$?
  if [ $result = 0 ]; then set -- done; else set -- blocked; said="$said"$'\n'"it ended with $result"; fi
  send handoff 'kind: handoff' "assignment: $id" "lease: $lease" "outcome: $1" "summary: $(quoted <<< "$said")"
}

while :; do
  for file in "$home"/inbox/*.md; do
    case $(field "$file" kind) in
      assignment) assignment "$file" "$@" ;;
      message) echo "$(field "$file" from): $(field "$file" subject)"; rm -f "$file" ;;
    esac
  done
  [ -z "${HUB_RUN:-}" ] || exit 0
  sleep 0.5
done
