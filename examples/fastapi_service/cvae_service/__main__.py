"""Serve: ``python -m cvae_service``, with settings from environment variables; see `Settings`."""

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
    uvicorn.run(app, host=settings.host, port=settings.port)
