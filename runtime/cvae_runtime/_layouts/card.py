"""The model card of a bundle: a README with metadata for Hugging Face, written from the manifest.

The metadata are described at https://huggingface.co/docs/hub/model-cards. They are YAML, of which JSON values are a
part.
"""

import json
from collections.abc import Iterator

from .._bundle import GraphInfo, Manifest, Training
from .._math import bits_per_dimension
from .._system import printable_values

_BINARIZATIONS = {
    "static": "each pixel of the test images cut at half of the levels (static binarization)",
    "dynamic": "pixels of the test images drawn once as black or white, with seed 0 (dynamic binarization)",
    "fixed": "the fixed binarization of the data set",
}


def model_card(manifest: Manifest, name: str, license_id: str | None, shown: str) -> str:
    """Return the text of the card.

    Args:
        manifest: the bundle's manifest.
        name: of the model.
        license_id: Hugging Face's identifier of the licence; None: the card says that none is stated.
        shown: what ``samples.png`` shows, as a sentence.
    """
    sections = [
        "\n".join(["---", *_metadata(manifest, name, license_id), "---"]),
        f"# {_text(name)}",
        _summary(manifest),
        f"![samples of the model](samples.png)\n\n{shown}",
        "## Model\n\n" + "\n".join(_facts(manifest)),
        "## Data\n\n" + _data(manifest.training),
        "## Figures\n\n" + "\n\n".join(_figures(manifest)),
        "## Licence\n\n"
        + (f"`{license_id}`" if license_id else "The bundle states none. Ask the author of the model."),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in _limits(manifest)),
        "## Use\n\n" + "\n\n".join(_uses(manifest)),
    ]
    return "\n\n".join(sections) + "\n"


def _metadata(manifest: Manifest, name: str, license_id: str | None) -> Iterator[str]:
    if license_id is not None:
        yield f"license: {license_id}"
    yield "library_name: onnx"
    yield "pipeline_tag: unconditional-image-generation"
    yield "tags:\n- onnx\n- cvae-toolkit\n- vae\n- variational-autoencoder"
    training = manifest.training
    if training is None:
        return
    result = {
        "task": {"type": "unconditional-image-generation"},
        "dataset": {"name": training.data, "type": training.data, "split": "test"},
        "metrics": [{"type": "elbo", "name": f"{_elbo_name(manifest)}, nats per image", "value": training.test_elbo}],
    }
    yield f"model-index:\n- name: {json.dumps(name)}\n  results:\n  - {json.dumps(result)}"


def _summary(manifest: Manifest) -> str:
    info = manifest.model
    height, width, channels = info.image_shape
    kind = {1: "grey ", 3: "colour "}.get(channels, "")
    classes = "" if info.labels is None else f" It can draw {len(info.labels):,} classes."
    return (
        f"A variational autoencoder of {kind}images of {height} x {width} pixels with {info.latent_dim} latent "
        f"dimensions.{classes} It runs in ONNX Runtime and other runtimes of ONNX. cvae-toolkit exported it."
    )


def _facts(manifest: Manifest) -> Iterator[str]:
    info = manifest.model
    cut = info.preprocessing.binarize_at
    inside = f"divided by {info.preprocessing.scale}" if cut is None else f"binarized at {cut}"
    yield "| | |\n|---|---|"
    yield f"| images | {' x '.join(map(str, info.image_shape))}, raw pixels 0 to 255, {inside} inside the graphs |"
    yield f"| latents | {info.latent_dim}, with {'the prior N(0, I)' if info.prior is None else 'a learned prior'} |"
    yield f"| likelihood | {_text(info.likelihood)} |"
    if info.architecture is not None:
        yield f"| network | {_text(info.architecture)} |"
    if info.labels is not None:
        yield f"| classes | {', '.join(map(_text, info.labels))} |"
    if (detector := manifest.detector) is not None:
        yield (
            f"| detector | {_text(detector.score)}, k = {detector.draws}, calibrated on {detector.count:,} images; alarm "
            f"if p ≤ {detector.false_alarms:g} |"
        )
    yield f"| random numbers | {_text(info.rng)} |"
    yield "\n| graph | inputs | outputs | precision | bytes |\n|---|---|---|---|---|"
    for graph in manifest.graphs:
        yield (
            f"| `onnx/{graph.file}` | {_tensors(graph, 'inputs')} | {_tensors(graph, 'outputs')} | {graph.precision} | "
            f"{graph.bytes:,} |"
        )


def _tensors(graph: GraphInfo, kind: str) -> str:
    tensors = getattr(graph, kind)
    return ", ".join(f"`{_text(t.name)}` {_text(t.dtype)} [{', '.join(map(str, t.shape))}]" for t in tensors)


def _data(training: Training | None) -> str:
    if training is None:
        return "The bundle does not name the training images. It was exported without a training run or test images."
    chosen = ""
    if training.epoch is not None and training.checkpoint is not None:
        chosen = f" The weights are those of epoch {training.epoch}, checkpoint {_text(training.checkpoint)}."
    return f"Trained on `{_text(training.data)}`.{chosen} `onnx/manifest.json` holds the whole configuration."


def _figures(manifest: Manifest) -> Iterator[str]:
    info, training = manifest.model, manifest.training
    if training is None:
        yield "No ELBO was measured."
    else:
        error = "" if training.test_elbo_stderr is None else f" ± {training.test_elbo_stderr:.2f}"
        cut = info.preprocessing.binarize_at
        pixels = "256 levels per pixel" if cut is None else f"pixels binarized at {cut}"
        pixels = _BINARIZATIONS.get(str(training.config.get("binarize")), pixels)
        protocol = (
            f"mean and standard error over {training.test_images:,} test images, one draw of the posterior per image; "
            f"{pixels}"
        )
        rows = [
            "| figure | value | protocol |\n|---|---|---|",
            f"| {_elbo_name(manifest)} | {training.test_elbo:.2f}{error} nats per image | {protocol} |",
        ]
        bits = bits_per_dimension(training.test_elbo, info.likelihood, info.image_shape)
        if bits is not None:
            rows.append(f"| bits per dimension | {bits:.3f} | -ELBO / (H W C ln 2) |")
        yield "\n".join(rows)
    compared = "the test images" if training is not None else "inputs of the export"
    rows = [f"The export compared the outputs of each graph with the trained model on {compared}:\n"]
    rows.append("| graph | largest difference | change of the test ELBO |\n|---|---|---|")
    for graph in manifest.graphs:
        verified = graph.verified
        differences = ", ".join(f"`{_text(key)}` {value:.1e}" for key, value in verified.max_abs_difference.items())
        change = "not measured" if verified.elbo_change is None else f"{verified.elbo_change:+.1e}"
        rows.append(f"| `{graph.file}` | {differences} | {change} |")
    yield "\n".join(rows)


def _elbo_name(manifest: Manifest) -> str:
    return "test ELBO" if manifest.model.labels is None else "test ELBO given the label"


def _limits(manifest: Manifest) -> Iterator[str]:
    height, width, channels = manifest.model.image_shape
    yield f"Images must have {height} x {width} pixels and {channels} channel{'' if channels == 1 else 's'}."
    yield "Samples are expected pixel values, and smoother than photographs of the same things."
    yield "The model repeats the bias of its training images. cvae-pack wrote this card without a look at them."
    yield (
        "The ELBO is a lower bound on the log-likelihood. Compare it only with figures of the same data, binarization "
        "and likelihood."
    )
    if manifest.model.labels is not None:
        yield "Scores are those given the label. Without a label, the graphs take the class “no label”."
    if manifest.detector is None:
        yield "A low score is no proof that an image is strange. Calibrate a threshold on good images first."


def _uses(manifest: Manifest) -> Iterator[str]:
    labels = manifest.model.labels
    python, javascript, c, cpp = "", "", "", ""
    if labels is not None:
        label = json.dumps(labels[0], ensure_ascii=False)
        python, javascript, c = f", label={label}", f", label: {label}", f" --label {label}"
        cpp = c
    encodes = any(graph.role == "encoder" for graph in manifest.graphs)
    yield "The folder `onnx` is a bundle of cvae-toolkit. A seed gives the same images in all languages."
    yield (
        "**Python**: `pip install 'cvae-toolkit[cpu]'`\n\n```python\nimport cvae_runtime as cvae\n\n"
        'with cvae.load("onnx") as model:\n'
        f"    images = model.generate(16, seed=0{python})  # float32 (16, H, W, C), in [0, 1]\n"
        + ("    scores = model.score(cvae.to_uint8(images)).elbo\n" if encodes else "")
        + "```"
    )
    yield (
        "**JavaScript**: `npm install cvae-runtime onnxruntime-node`\n\n```js\n"
        'import { load } from "cvae-runtime";\n\n'
        'const model = await load("onnx"); // in a browser, the URL of the folder\n'
        f"const images = await model.generate(16, {{ seed: 0{javascript} }});\n```"
    )
    yield (
        "**C, Rust and Go**: build `examples/c`, `examples/rust` or `examples/go` of cvae-toolkit\n\n```\n"
        f"./cvae sample onnx 0 0 16 samples{c}\n```"
    )
    yield (
        "**C++**: build `examples/cpp` of cvae-toolkit\n\n```\n"
        f"./cvae-sample onnx --seed 0 -n 16 -o samples.pnm{cpp}\n```"
    )
    yield (
        "**Other runtimes of ONNX**: feed "
        + ("standard normal noise to `prior.onnx`, and its `z`" if manifest.model.prior else "standard normal latents")
        + " to `decoder.onnx`, and get `probs`, the images in [0, 1]. `onnx/golden.json` has inputs with their outputs."
    )


def _text(text: str) -> str:
    """Escape control characters, and the characters that end a table's cell or code in Markdown."""
    escaped: str = printable_values(text)
    return escaped.replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
