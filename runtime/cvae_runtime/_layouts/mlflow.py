"""A model of MLflow, which ``mlflow.pyfunc.load_model`` loads through `cvae_runtime.pyfunc`.

The folder is described at https://mlflow.org/docs/latest/ml/model/. Its files are YAML, of which JSON values are a
part.
"""

import json
import platform
from collections.abc import Iterable

from .._bundle import MANIFEST_NAME, Bundle, Manifest, bundle_names
from .._engine import distribution_version
from ..pyfunc import PARAMS

_BUNDLE = "bundle"


def mlflow_names(manifest: Manifest) -> Iterable[str]:
    """Return the paths of the files of a model."""
    yield from ("MLmodel", "python_env.yaml", "requirements.txt")
    yield from (f"{_BUNDLE}/{name}" for name in bundle_names(manifest))


def mlflow_files(bundle: Bundle) -> dict[str, bytes]:
    """Return the files of a model by path."""
    version = distribution_version("cvae-toolkit")
    requirement = "cvae-toolkit[cpu]" if version is None else f"cvae-toolkit[cpu]=={version}"
    texts = {
        "MLmodel": _mlmodel(),
        "python_env.yaml": (
            f'python: "{platform.python_version()}"\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n'
        ),
        "requirements.txt": f"{requirement}\n",
    }
    contents = {**bundle.files, MANIFEST_NAME: bundle.text}
    return {
        **{name: text.encode() for name, text in texts.items()},
        **{f"{_BUNDLE}/{name}": data for name, data in contents.items()},
    }


def _mlmodel() -> str:
    params = [{"name": name, "type": kind, "default": value, "shape": shape} for name, kind, value, shape in PARAMS]
    # YAML quotes a text with single quotes, and doubles those inside. The values have none.
    return f"""\
flavors:
  python_function:
    config:
      precision: float32
      provider: auto
      threads: null
    data: {_BUNDLE}
    env:
      virtualenv: python_env.yaml
    loader_module: cvae_runtime.pyfunc
    python_version: "{platform.python_version()}"
signature:
  inputs: null
  outputs: null
  params: '{json.dumps(params)}'
"""
