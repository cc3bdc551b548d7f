"""The server itself: HTTP on a free port of loopback, one thread a request."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.models import anthropic, chat, openai
from tests.models.acts import Act, Fail, Hang, Say, Script, Seen

CODEX = """\
model = "gpt-5-codex"
model_provider = "stub"
check_for_update_on_startup = false

[model_providers.stub]
name = "stub"
base_url = "{url}/v1"
env_key = "STUB_API_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1

[analytics]
enabled = false
"""


@dataclass
class Served:
    """A server that runs: where it is, and what it was asked."""

    url: str
    asked: list[Seen] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def claude(self, home: Path) -> dict[str, str]:
        """Return the environment that leads Claude Code here, with a home of its own."""
        home.mkdir(parents=True, exist_ok=True)
        return {
            "ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": "stub-key", "CLAUDE_CONFIG_DIR": str(home),
            "CLAUDE_CODE_MAX_RETRIES": "1",
        }  # fmt: skip

    def codex(self, home: Path) -> dict[str, str]:
        """Return the environment that leads Codex here; its home must not lie below $TMPDIR."""
        home.mkdir(parents=True, exist_ok=True)
        (home / "config.toml").write_text(CODEX.format(url=self.url))
        return {"CODEX_HOME": str(home), "STUB_API_KEY": "stub-key"}


@contextmanager
def serving(script: Script) -> Iterator[Served]:
    """Serve a script until the block ends. What hangs then is let go."""
    over = threading.Event()
    served = Served("")

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            path = self.path.partition("?")[0]
            if path == "/v1/messages":
                self.play_messages(body)
            elif path == "/v1/messages/count_tokens":
                self.whole(200, {"input_tokens": 1000})
            elif path == "/v1/responses":
                self.play_responses(body)
            elif path == "/v1/chat/completions":
                self.play_chat(body)
            else:
                self.whole(404, {"error": {"message": f"nothing is served at {path}"}})

        def do_GET(self) -> None:
            self.whole(404, {"error": {"message": f"nothing is served at {self.path}"}})

        do_HEAD = do_GET  # noqa: N815

        def play_messages(self, body: dict[str, Any]) -> None:
            act = self.act(anthropic.seen(body), body)
            if isinstance(act, Fail):
                self.whole(act.status, anthropic.failure(act.status))
            elif isinstance(act, Hang):
                self.hang(anthropic.begin(body["model"]))
            elif body.get("stream"):
                self.stream(*anthropic.events(act, body["model"]))
            else:
                self.whole(200, anthropic.message(act, body["model"]))

        def play_responses(self, body: dict[str, Any]) -> None:
            seen = openai.seen(body)
            act = self.act(seen, body)
            if isinstance(act, Fail):
                self.whole(act.status, openai.failure(act.status))
            elif isinstance(act, Hang):
                self.hang(openai.begin(body["model"]))
            else:
                self.stream(*openai.events(act, body["model"], seen.tools))

        def play_chat(self, body: dict[str, Any]) -> None:
            act = self.act(chat.seen(body), body)
            if isinstance(act, Fail):
                self.whole(act.status, openai.failure(act.status))
            elif isinstance(act, Hang):
                self.hang(chat.begin(body["model"]))
            elif body.get("stream"):
                self.stream(*chat.events(act, body["model"]))
            else:
                self.whole(200, chat.whole(act, body["model"]))

        def act(self, seen: Seen, body: dict[str, Any]) -> Act:
            """A request without tools is one of the client's own (a title, a summary): it gets a word."""
            if not seen.tools:
                return Say("Work")
            served.asked.append(seen)
            served.bodies.append(body)
            return script(seen)

        def whole(self, status: int, value: object) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def stream(self, *events: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for event in events:
                named = f"event: {event['type']}\n" if "type" in event else ""
                self.wfile.write(f"{named}data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()

        def hang(self, first: dict[str, Any]) -> None:
            self.stream(first)
            over.wait()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
