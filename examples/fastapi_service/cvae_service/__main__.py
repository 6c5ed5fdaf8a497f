"""Run the server: ``python -m cvae_service``. Settings come from environment variables; see `Settings`."""

import os
import sys

import uvicorn

from cvae_runtime import CvaeError

from .app import create_app
from .settings import Settings

if __name__ == "__main__":
    try:
        settings = Settings.of_environment(os.environ)
        app = create_app(settings)
    except CvaeError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    try:
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            http="h11",  # limits the size of headers
            limit_concurrency=settings.max_connections,
            timeout_graceful_shutdown=settings.grace_seconds,
        )
    except SystemExit as end:  # it could not start and has printed why; its exit codes differ from ours
        sys.exit(1 if end.code else 0)
