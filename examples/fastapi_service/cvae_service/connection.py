"""ASGI middleware that limits request bodies, and cancels work when the client disconnects."""

import asyncio

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Reject bodies of more than ``most`` bytes with 413, and bodies that take longer than ``seconds`` with 408."""

    def __init__(self, app: ASGIApp, most: int, seconds: int) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; reading its body raises if it exceeds a limit."""
        declared = int(dict(scope.get("headers", ())).get(b"content-length", 0))  # absent if the body is chunked
        received, whole = 0, False
        deadline = asyncio.get_running_loop().time() + self._seconds

        async def limited() -> Message:
            nonlocal received, whole
            if max(declared, received) <= self._most:
                try:
                    async with asyncio.timeout_at(None if whole else deadline):
                        message = await receive()
                except TimeoutError:
                    error = f"a request's body must come within {self._seconds} seconds; send less at a time"
                    raise HTTPException(408, error, {"Connection": "close"}) from None
                received += len(message.get("body", b""))
                whole = not message.get("more_body", False)
            if max(declared, received) > self._most:
                raise HTTPException(
                    413, f"a request's body must have at most {self._most:,} bytes; send less at a time"
                )
            return message

        await self._app(scope, limited, send)


class Departures:
    """Cancel work if the client disconnects, and answer 503 if the server shuts down first."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        messages: asyncio.Queue[Message] = asyncio.Queue(1)  # a longer queue would buffer an unread body in memory
        left = asyncio.Event()
        started = answered = False

        async def listen() -> None:
            while not left.is_set():
                message = await receive()
                if message["type"] == "http.disconnect":
                    left.set()
                await messages.put(message)

        async def passed(message: Message) -> None:
            nonlocal started, answered
            started = True
            answered = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        listener = asyncio.create_task(listen())
        leaving = asyncio.create_task(left.wait())
        work = asyncio.ensure_future(self._app(scope, messages.get, passed))
        try:
            await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
            if answered:  # servers report a disconnect after the response, too
                await work
        except asyncio.CancelledError:  # the server shuts down and its grace period is over
            work.cancel()
            if not started:
                await JSONResponse({"error": "the service shuts down; ask again later"}, 503)(scope, receive, send)
        finally:
            for task in (listener, leaving, work):
                task.cancel()
            await asyncio.wait((work,))
        if not work.cancelled():
            work.result()
