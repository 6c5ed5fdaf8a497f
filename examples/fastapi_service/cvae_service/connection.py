"""What a connection may take: how much comes over it, how long that lasts, and work for a client that is still there."""

import asyncio

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware that ends a body of more than ``most`` bytes by 413, and one that takes ``seconds`` by 408."""

    def __init__(self, app: ASGIApp, most: int, seconds: int) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; it is the one who reads the body that meets the limits."""
        told = int(dict(scope.get("headers", ())).get(b"content-length", 0))  # a body in chunks tells nothing
        received, whole = 0, False
        deadline = asyncio.get_running_loop().time() + self._seconds

        async def limited() -> Message:
            nonlocal received, whole
            if max(told, received) <= self._most:
                try:
                    async with asyncio.timeout_at(None if whole else deadline):
                        message = await receive()
                except TimeoutError:
                    error = f"a request's body must come within {self._seconds} seconds; send less at a time"
                    raise HTTPException(408, error, {"Connection": "close"}) from None
                received += len(message.get("body", b""))
                whole = not message.get("more_body", False)
            if max(told, received) > self._most:
                raise HTTPException(
                    413, f"a request's body must have at most {self._most:,} bytes; send less at a time"
                )
            return message

        await self._app(scope, limited, send)


class Departures:
    """ASGI middleware that cancels the work for a client that has left, and answers 503 when the server ends before."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        messages: asyncio.Queue[Message] = asyncio.Queue(1)  # more would be a body in memory that nobody has asked for
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
            if answered:  # a server says that the client has left then, too
                await work
        except asyncio.CancelledError:  # the server ends, and has waited long enough
            work.cancel()
            if not started:
                await JSONResponse({"error": "the service ends; ask again later"}, 503)(scope, receive, send)
        finally:
            for task in (listener, leaving, work):
                task.cancel()
            await asyncio.wait((work,))
        if not work.cancelled():
            work.result()
