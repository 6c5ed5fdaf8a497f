"""Changes to the files of a bundle."""

from scripts.torture._damage import rehashed


def replace_file(bundle, name, data):
    """Replace a file of a bundle and update its manifest."""
    files = {path.name: path.read_bytes() for path in bundle.iterdir()}
    for file, content in rehashed({**files, name: data}).items():
        (bundle / file).write_bytes(content)
