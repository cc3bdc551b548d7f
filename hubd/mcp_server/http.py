"""The server over streamable HTTP, beside the daemon, in a thread with a loop of its own.

Guarantee: on every request the Host is one of ours (421), the Origin, where there is one, too (403), the
token some agent's (401), and the body no larger than 1 MiB (413); in this order, before any of it is read.
Who asks is who the token says. What fails behind that is 503, never 500.
Rule: it asks the daemon over the socket, as everybody does. Nobody but this machine is listened to, unless
names were given under which others may reach it.

Not promised: that others cannot read what is sent. For other machines put something with TLS in front.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hubd.layout import Layout
from hubd.mcp_server.asking import Asking
from hubd.mcp_server.server import Context, Mailbox
from hubd.tokens import TokenError, Tokens

__all__ = ["Address", "NotServed", "address", "serving"]

PATH = "/mcp"
BODY_MOST = 1 << 20
_SESSIONS = 200
_OPEN = 500
_END = 5.0


class NotServed(Exception):
    """HTTP cannot be served as it was asked for."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and the values of `Host` that mean us."""

    host: str
    port: int
    hosts: frozenset[str]


def address(text: str, names: Sequence[str] = ()) -> Address:
    """Read `HOST:PORT`, or a port alone. Raises NotServed."""
    host, _, number = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not number.isdecimal() or not 0 <= int(number) < 65536:
        raise NotServed(f"`{text}` is no address", "write it as 127.0.0.1:8765")
    try:
        own = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise NotServed(f"`{host}` is no IP address", "write it as 127.0.0.1:8765") from None
    if not own and not names:
        raise NotServed(
            f"{host} can be reached by other machines",
            "name what they will call this one, if that is meant: `--http-name NAME`",
        )
    return Address(host, int(number), frozenset(name.lower() for name in names))


@contextmanager
def serving(layout: Layout, at: Address) -> Iterator[int]:
    """Serve while this lasts; gives the port. Raises NotServed where nobody can listen there."""
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    try:
        listening = socket.create_server((at.host, at.port), family=family, backlog=128)
    except OSError as error:
        hint = "is another hubd there? take another port"
        raise NotServed(f"cannot listen on {at.host}:{at.port}: {error.strerror}", hint) from error
    # asyncio leaves this to us for a socket that it did not make, and an answer then waits 40 ms for an ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port = int(listening.getsockname()[1])
    for name in ("mcp", "uvicorn", "sse_starlette"):
        logging.getLogger(name).setLevel(logging.ERROR)  # who sends rubbish is told, and nobody else
    asking = Asking(layout)
    server = uvicorn.Server(
        uvicorn.Config(
            _app(asking, Tokens(layout), at, port), log_config=None, access_log=False, lifespan="on",
            timeout_graceful_shutdown=1, limit_concurrency=_OPEN, server_header=False, ws="none",
        )
    )  # fmt: skip
    thread = threading.Thread(target=server.run, args=([listening],), name="http", daemon=True)
    thread.start()
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(_END)
        listening.close()
        asking.close()


def _app(asking: Asking, tokens: Tokens, at: Address, port: int) -> ASGIApp:
    app = Mailbox(asking, _who).server().streamable_http_app(
        streamable_http_path=PATH, max_request_body_size=BODY_MOST, max_sessions=_SESSIONS, host=""
    )  # fmt: skip
    own = {"127.0.0.1", "localhost", "[::1]"} | at.hosts
    return Guard(app, tokens, frozenset({*(f"{name}:{port}" for name in own), *at.hosts}))


def _who(ctx: Context) -> str:
    assert ctx.request is not None
    user: AuthenticatedUser = ctx.request.scope["user"]
    return user.username


class Guard:
    """What every request must pass before the protocol sees it."""

    def __init__(self, app: ASGIApp, tokens: Tokens, hosts: frozenset[str]) -> None:
        self._app = app
        self._tokens = tokens
        self._hosts = hosts
        self._origins = {f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = _Said(send)
        try:
            headers = Headers(scope=scope)
            token = _bearer(headers)
            refused = self._refused(headers) or _unknown(scope)
            agent = "" if refused is not None else self._tokens.agent_of(token)
            if refused is None and not agent:
                refused = _no(401, "no-token", "no token, or one that is nobody's", "`hubctl token new NAME`")
                refused.headers["WWW-Authenticate"] = 'Bearer realm="hubd"'
            if refused is None and _length(headers) > BODY_MOST:
                refused = _no(413, "too-large", f"a request holds at most {BODY_MOST} bytes", "send less")
            if refused is not None:
                await refused(scope, receive, said)
                return
            scope["user"] = AuthenticatedUser(AccessToken(token="", client_id=agent, scopes=[]))
            said.valid = lambda: self._tokens.agent_of(token) == agent
            await self._app(scope, receive, said)
        except TokenError as error:
            await said.sorry(scope, receive, str(error))
        except Exception as error:  # noqa: BLE001
            # One request must not end the server: say what happened, in the log and to who asked.
            traceback.print_exc(file=sys.stderr)
            await said.sorry(scope, receive, type(error).__name__)

    def _refused(self, headers: Headers) -> JSONResponse | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return _no(421, "not-here", "that Host is not served here", "ask 127.0.0.1, or see --http-name")
        if any(origin.lower() not in self._origins for origin in origins):
            return _no(403, "wrong-origin", "pages of other origins may not ask", "ask without a browser")
        return None


class _Said:
    """What is sent, with a word on whether it began. A token that was revoked ends its stream."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.began = self._over = False
        self.valid: Callable[[], bool] = lambda: True

    async def __call__(self, message: Message) -> None:
        if self._over:
            return
        if message["type"] == "http.response.start":
            self.began = True
            if message["status"] == 500:
                message = {**message, "status": 503}
        elif not self.valid():
            self._over = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def sorry(self, scope: Scope, receive: Receive, why: str) -> None:
        if not self.began:
            await _no(503, "hub-trouble", f"this cannot be answered now: {why}", "try again")(
                scope, receive, self
            )


def _no(status: int, code: str, message: str, hint: str) -> JSONResponse:
    return JSONResponse({"schema": 1, "ok": False, "code": code, "message": message, "hint": hint}, status)


def _unknown(scope: Scope) -> JSONResponse | None:
    return None if scope["path"] == PATH else _no(404, "not-here", "nothing is here", f"ask {PATH}")


def _bearer(headers: Headers) -> str:
    given = headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else ""


def _length(headers: Headers) -> int:
    """What the request says of its length. One that says nothing is counted while it is read."""
    text = headers.get("content-length", "0")
    return int(text) if text.isdecimal() and len(text) < 20 else 1 << 62
