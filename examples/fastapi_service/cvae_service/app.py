"""The routes of the service."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Query, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as AnyHTTPException

from cvae_runtime import CvaeError, InputError

from .answers import Format, choose_format, pictures
from .batching import BusyError
from .connection import BodyLimit, Departures
from .engine import Engine, Images
from .settings import Settings
from .uploads import Reader, limit_pixels

Seed = Annotated[int, Query(ge=0, lt=1 << 64, description="the same seed gives the same random numbers everywhere")]
First = Annotated[int, Query(ge=0, description="index of the first item in the stream of the seed")]
Count = Annotated[int, Query(ge=1)]
Temperature = Annotated[float, Query(ge=0, le=4e37, allow_inf_nan=False, description="factor on the noise")]
Asked = Annotated[Format | None, Query(alias="format", description="overrides the Accept header")]
Accept = Annotated[str, Header()]


def create_app(settings: Settings) -> FastAPI:
    """Load the bundle and create the ASGI application, which closes the model when the server shuts down.

    Raises:
        CvaeError: the bundle cannot be used, or the provider is missing.
    """
    limit_pixels(settings.max_pixels)
    engine = Engine(settings)
    reader = Reader(engine.model.image_shape, settings.max_decoding)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        reader.close()
        await engine.close()  # by now the server has answered or cancelled all requests

    async def uploads(
        images: list[UploadFile], *, resize: bool = False, grey: bool = False, invert: bool = False
    ) -> Images:
        check_limit("images", len(images), settings.max_count)
        files = [(await image.read(), image.filename or "a picture") for image in images]
        return await reader(files, resize=resize, grey=grey, invert=invert)

    async def checked(
        label: Annotated[str | None, Query(description="name of a class; without it, no label")] = None,
    ) -> str | None:
        engine.check_label(label)
        return label

    Uploaded = Annotated[Any, Depends(uploads)]
    Label = Annotated[str | None, Depends(checked)]

    app = FastAPI(title="Samples, reconstructions and scores of a variational autoencoder", lifespan=lifespan)
    app.add_middleware(BodyLimit, most=settings.max_upload, seconds=settings.body_seconds)
    app.add_middleware(Departures)
    app.state.engine = engine
    answer_errors(app)

    @app.get("/sample")
    async def sample(
        label: Label,
        count: Count = 16,
        seed: Seed = 0,
        first: First = 0,
        temperature: Temperature = 1.0,
        asked: Asked = None,
        accept: Accept = "*/*",
    ) -> Response:
        """Draw samples."""
        answer_format = choose_format(asked, accept, [Format.png, Format.json])
        check_limit("count", count, settings.max_count)
        images = await engine.sample(count, seed, first, temperature, label)
        return await asyncio.to_thread(pictures, images, answer_format)

    @app.post("/reconstruct")
    async def reconstruct(
        label: Label,
        images: Uploaded,
        *,
        sample: bool = False,
        seed: Seed = 0,
        first: First = 0,
        asked: Asked = None,
        accept: Accept = "*/*",
    ) -> Response:
        """Encode and decode pictures, through the posterior's mean or a draw of it."""
        answer_format = choose_format(asked, accept, [Format.png, Format.json])
        again = await engine.reconstruct(images, sample=sample, seed=seed, first=first, label=label)
        return await asyncio.to_thread(pictures, again, answer_format)

    @app.post("/score")
    async def score(
        label: Label,
        images: Uploaded,
        samples: Count = 1,
        seed: Seed = 0,
        first: First = 0,
        asked: Asked = None,
        accept: Accept = "*/*",
    ) -> Response:
        """Compute how well the model explains pictures, in nats."""
        choose_format(asked, accept, [Format.json])
        check_limit("images times samples", len(images) * samples, settings.max_draws)
        scores = await engine.score(images, samples, seed, first, label)
        names = ("elbo", "reconstruction", "kl", "iw_bound")
        return JSONResponse({name: getattr(scores, name).tolist() for name in names})

    @app.post("/detect")
    async def detect(images: Uploaded, asked: Asked = None, accept: Accept = "*/*") -> Response:
        """Decide which pictures are strange, with the detector of a calibrated bundle; as PNG, their heat maps."""
        answer_format = choose_format(asked, accept, [Format.json, Format.png])
        found = await engine.detect(images)
        if answer_format is Format.png:
            heat = await asyncio.to_thread(found.draw, images)
            return await asyncio.to_thread(pictures, heat, answer_format)
        numbers = {name: getattr(found, name).tolist() for name in ("score", "p_value", "alarm")}
        return JSONResponse({**numbers, "box": await asyncio.to_thread(found.boxes)})

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        """Report the model, its limits, and how many model calls the requests took."""
        model = engine.model
        counts = {
            name: {"requests": batcher.requests, "calls": batcher.calls}
            for name, batcher in (("encoder", engine.encoder), ("decoder", engine.decoder))
        }
        return {
            "status": "ok",
            "bundle": model.sha256,
            "provider": model.provider,
            "threads": model.threads,
            "image_shape": model.image_shape,
            "labels": model.labels,
            "limits": {k: v for k, v in dataclasses.asdict(settings).items() if k.startswith("max_")},
            **counts,
        }

    for path, answer in (("/sample", sample), ("/healthz", healthz)):
        app.head(path, include_in_schema=False)(answer)
    return app


def check_limit(name: str, found: int, most: int) -> None:
    """Reject a request that exceeds a limit of the settings."""
    if found > most:
        raise HTTPException(413, f"{name} must be at most {most}; found {found}: ask for less at a time")


def answer_errors(app: FastAPI) -> None:
    """Answer every error with {"error": message}, wherever it was raised."""

    @app.exception_handler(InputError)
    async def refused(_: Any, error: InputError) -> Response:
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(CvaeError)
    async def unusable(_: Any, error: CvaeError) -> Response:
        return JSONResponse({"error": str(error)}, 500)

    @app.exception_handler(Exception)
    async def failed(*_: Any) -> Response:  # the traceback is in the service's log
        return JSONResponse({"error": "the service failed; see its log"}, 500)

    @app.exception_handler(BusyError)
    async def busy(_: Any, error: BusyError) -> Response:
        return JSONResponse({"error": str(error)}, 503, {"Retry-After": "1"})

    @app.exception_handler(AnyHTTPException)
    async def http(_: Any, error: AnyHTTPException) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Any, error: RequestValidationError) -> Response:
        lines = [f"{' '.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
        return JSONResponse({"error": "; ".join(lines)}, 422)
