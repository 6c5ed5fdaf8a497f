"""Settings of the service."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from cvae_runtime import InputError

PREFIX = "CVAE_"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings, read from environment variables: CVAE_ and the name in capitals, as in ``CVAE_MAX_COUNT=64``.

    Attributes:
        bundle: the bundle's folder; empty for the packaged MNIST model.
        provider, precision: arguments of `cvae_runtime.load`.
        threads: threads of the model; 0 for one per core.
        max_count: samples or pictures per request.
        max_draws: pictures times samples per request to /score.
        max_upload: bytes per request body.
        max_pixels: pixels per picture; read from its header, so larger pictures are rejected before they are decoded.
        max_decoding: pixels of uploads that are decoded or wait for decoding; above it the answer is 503.
        max_waiting: images and latents that wait for the model; above it the answer is 503.
        max_connections: open connections; above it the answer is 503.
        body_seconds: time in which a request's body must arrive.
        grace_seconds: time in which running requests must finish at shutdown.
        host, port: address to listen on.
    """

    bundle: str = ""
    provider: str = "auto"
    precision: str = "float32"
    threads: int = 0
    max_count: int = 256
    max_draws: int = 4096
    max_upload: int = 8 << 20
    max_pixels: int = 4_000_000
    max_decoding: int = 32_000_000
    max_waiting: int = 16_384
    max_connections: int = 256
    body_seconds: int = 30
    grace_seconds: int = 30
    host: str = "127.0.0.1"
    port: int = 8000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            low = 1 if name.startswith("max_") or name.endswith("_seconds") else 0
            if isinstance(value, int) and value < low:
                raise InputError(f"{PREFIX}{name.upper()} must be a whole number of at least {low}; found {value}")
        if self.port > 65_535:
            raise InputError(f"{PREFIX}PORT must be a whole number of at most 65535; found {self.port}")

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings from environment variables.

        Raises:
            InputError: a value is invalid, or a variable with the prefix matches no setting.
        """
        fields = {f"{PREFIX}{field.name.upper()}": field for field in dataclasses.fields(cls)}
        given: dict[str, Any] = {}
        for name, text in environment.items():
            if not name.startswith(PREFIX):
                continue
            if name not in fields:
                raise InputError(f"{name} is no setting; there are {', '.join(fields)}")
            try:
                given[fields[name].name] = int(text) if isinstance(fields[name].default, int) else text
            except ValueError as error:
                raise InputError(f"{name} must be a whole number; found {text!r}") from error
        return cls(**given)
