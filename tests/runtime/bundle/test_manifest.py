"""Manifests: a round trip through JSON, and agreement of the parser with the JSON Schema."""

import copy
import dataclasses
import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cvae_runtime as cvae
import cvae_runtime.bundle
from benchmarks._notebook import BUNDLE as NOTEBOOK
from cvae_runtime._bundle import LIKELIHOOD_OUTPUTS
from cvae_runtime._bundle.schema import find_error

CASES = json.loads((Path(__file__).parents[2] / "golden" / "manifest.json").read_text())  # JavaScript tests them too
SCHEMA = json.loads((resources.files(cvae) / "manifest.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
# Replacements for other values; each is valid somewhere.
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 255, 256, 1.0, 1.5, -2.5, 10**400, 1e300),
    *("", "x", "portable", "cpu", "float16", "int8", "encoder", "decoder", "decoder.onnx", "decoder.onnx\n"),
    *("bernoulli", "discretized-logistic", "discretized-logistic-mixture", "probs", "log_scale", "location"),
    *("../decoder.onnx", ".hidden", "a/b", "a\\b", "é.onnx", "a" * 128, "a" * 129, "0" * 64, "0" * 64 + "\n", "A" * 64),
    *([], [1], [28, 28, 1], [28, 28, 1, 1], [28.0, 28, 1], ["batch", 3], [None], {}, {"a": 1}, {"a": "b"}, {"a": None}),
]


def places(value, path=()):
    """Return the path of every field and item of a JSON value."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from places(value[key], (*path, key))


def changed(value, path, change):
    value = copy.deepcopy(value)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return value


def delete(holder, key):
    holder.pop(key)


def replace(new):
    return lambda holder, key: holder.__setitem__(key, new)


def add(new):
    return lambda holder, _: holder.append(new) if isinstance(holder, list) else holder.__setitem__("unknown", new)


def judged(value):
    """Return whether the parser accepts a manifest, after checking that the schema agrees."""
    schema_takes = VALIDATOR.is_valid(value)
    try:
        cvae.bundle.parse_manifest(json.dumps(value), "manifest.json")
    except cvae.BundleError:
        takes = False
    else:
        takes = True
    assert takes == schema_takes, value
    return takes


@pytest.fixture(scope="module")
def manifest(bundles):
    return bundles.manifest()


@pytest.fixture(scope="module")
def document(manifest):
    return json.loads(manifest.to_json())


@pytest.fixture(
    scope="module",
    params=[
        {"likelihood": "bernoulli"},
        {"likelihood": "discretized-logistic"},
        {"likelihood": "discretized-logistic-mixture"},
        {"likelihood": "bernoulli", "architecture": "residual"},
        {"likelihood": "bernoulli", "labels": ("x", "encoder")},
    ],
    ids=lambda model: "-".join(map(str, model.values())),
)
def any_document(request, bundles):
    """Return a manifest of each likelihood, one that names its architecture, and one with labels."""
    manifest = bundles.manifest(likelihood=request.param["likelihood"], labels=request.param.get("labels"))
    model = dataclasses.replace(manifest.model, **request.param)
    return json.loads(dataclasses.replace(manifest, model=model).to_json())


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_round_trip(manifest, document):
    assert cvae.bundle.parse_manifest(manifest.to_json(), "m") == manifest
    assert cvae.bundle.parse_manifest(manifest.to_json().encode(), "m") == manifest
    assert judged(document)
    assert document["format"] == 1
    bare = dataclasses.replace(manifest, training=None)
    assert cvae.bundle.parse_manifest(bare.to_json(), "m") == bare
    assert judged(json.loads(bare.to_json()))
    single = dataclasses.replace(manifest, training=dataclasses.replace(manifest.training, test_elbo_stderr=None))
    assert cvae.bundle.parse_manifest(single.to_json(), "m") == single
    assert judged(json.loads(single.to_json()))


def test_the_packaged_manifest_is_valid():
    text = (cvae.packaged_bundle() / cvae.bundle.MANIFEST_NAME).read_text()
    assert judged(json.loads(text))
    assert cvae.bundle.parse_manifest(text, "m").to_json() == text


def test_an_architecture_is_optional(manifest, document):
    assert "architecture" not in document["model"]
    assert cvae.bundle.parse_manifest(json.dumps(document), "m").model.architecture is None
    named = dataclasses.replace(manifest, model=dataclasses.replace(manifest.model, architecture="residual"))
    assert json.loads(named.to_json())["model"]["architecture"] == "residual"
    assert cvae.bundle.parse_manifest(named.to_json(), "m") == named


def test_the_exported_checkpoint_is_optional(manifest, document):
    assert {"epoch", "checkpoint"}.isdisjoint(document["training"])
    older = cvae.bundle.parse_manifest(json.dumps(document), "m").training
    assert (older.epoch, older.checkpoint) == (None, None)
    training = dataclasses.replace(manifest.training, epoch=7, checkpoint="best")
    newer = dataclasses.replace(manifest, training=training)
    written = json.loads(newer.to_json())
    assert written["training"] == {**document["training"], "epoch": 7, "checkpoint": "best"}
    assert judged(written)
    assert cvae.bundle.parse_manifest(json.dumps(written), "m") == newer
    assert not judged(changed(written, ("training", "epoch"), replace(None)))
    assert judged(changed(written, ("training", "checkpoint"), replace("averaged")))  # of a later version


@pytest.fixture(scope="module")
def labelled(bundles, tiny):
    return bundles.manifest(labels=tiny.labels)


def test_labels_are_format_2(labelled):
    written = json.loads(labelled.to_json())
    assert (written["format"], written["model"]["labels"]) == (2, ["2", "10", "x"])
    assert [graph["inputs"][1] for graph in written["graphs"]] == [
        {"name": "label", "dtype": "int64", "shape": ["batch"]}
    ] * 2
    assert judged(written)
    assert cvae.bundle.parse_manifest(labelled.to_json(), "m") == labelled


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        (("format",), replace(1), "format: expected 2, for labels, found 1"),
        (("model", "labels"), replace([]), "model.labels: expected 2 or more different names, found 0"),
        (("model", "labels"), replace(["2"]), "model.labels: expected 2 or more different names, found 1"),
        (
            ("model", "labels"),
            replace(["2", "x", "2"]),
            'model.labels: expected 2 or more different names, found ["2","x","2"]',
        ),
        (("model", "labels", 1), replace(7), "model.labels[1]: expected a string, found 7"),
        (("model", "labels"), replace(None), "model.labels: expected a list, found null"),
        (
            ("graphs", 0, "inputs", 1),
            delete,
            "graphs[0].inputs: expected the input label, for a model with labels, found none",
        ),
        (
            ("graphs", 1, "inputs", 1, "name"),
            replace("class"),
            "graphs[1].inputs: expected the input label, for a model with labels, found none",
        ),
    ],
    ids=lambda value: "change" if callable(value) else str(value),
)
def test_wrong_labels(path, change, message, labelled, refuses):
    value = changed(json.loads(labelled.to_json()), path, change)
    assert not judged(value)
    with refuses(cvae.BundleError, f"m: {message}; export the bundle again"):
        cvae.bundle.parse_manifest(json.dumps(value), "m")


def test_every_field_is_required(document):
    free = {("versions", "numpy"), ("training", "config", "epochs")}  # entries of maps, which are optional
    differences = {("graphs", n, "verified", "max_abs_difference") for n in (0, 1)}
    for path in places(document):
        if isinstance(path[-1], str):
            takes = judged(changed(document, path, delete))
            assert takes == (path in free or path[:-1] in differences), path


@settings(max_examples=400)
@given(st.data())
def test_parser_and_schema_agree_on_random_changes(any_document, data):
    value = any_document
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(list(places(value))))
        new = data.draw(st.sampled_from(VALUES))
        change = data.draw(st.sampled_from([delete, replace(new), add(new)]))
        value = changed(value, path, change)
    judged(value)


def test_parser_and_schema_agree_on_every_replacement(any_document):
    # The second graph has the fields of the first, except for the outputs of a decoder.
    chosen = [p for p in places(any_document) if p[:2] != ("graphs", 1) or p[2:3] in {(), ("role",), ("outputs",)}]
    outcomes = {judged(changed(any_document, path, replace(new))) for path in chosen for new in VALUES}
    assert outcomes == {True, False}


def test_unknown_keys_are_ignored(manifest, document):
    value = document
    for path in [(), ("model",), ("graphs", 0), ("graphs", 0, "inputs", 0), ("golden",), ("training",)]:
        value = changed(value, (*path, "future"), replace({"any": [1]}))
    assert judged(value)
    assert cvae.bundle.parse_manifest(json.dumps(value), "m") == manifest


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["message"])
def test_messages(case, refuses):
    document = json.loads((NOTEBOOK / "manifest.json").read_text())
    change = replace(case["value"]) if "value" in case else delete
    with refuses(cvae.BundleError, f"my/manifest.json: {case['message']}"):
        cvae.bundle.parse_manifest(json.dumps(changed(document, case["path"], change)), "my/manifest.json")


def test_a_list_is_no_manifest(refuses):
    with refuses(cvae.BundleError, 'm: expected an object with "format": 1; this is not a bundle\'s manifest'):
        cvae.bundle.parse_manifest("[1]", "m")


@pytest.mark.parametrize("likelihood", LIKELIHOOD_OUTPUTS)
def test_schema_requires_the_decoder_outputs_of_each_likelihood(likelihood, bundles):
    document = json.loads(bundles.manifest(likelihood=likelihood).to_json())
    outputs = document["graphs"][1]["outputs"]
    assert {output["name"] for output in outputs} == set(LIKELIHOOD_OUTPUTS[likelihood])
    for index in range(len(outputs)):
        assert not judged(changed(document, ("graphs", 1, "outputs", index), delete))


def test_unknown_keywords_of_a_schema_are_errors():
    with pytest.raises(ValueError, match="^unknown keywords of JSON Schema: minContains$"):
        find_error([], {"$defs": {}, "minContains": 1})


@pytest.mark.parametrize(
    "text",
    ["", "{", "\ufeff{}", '{"format": NaN}', '{"format": Infinity}', "[" * 100_000, b'{"format": "\xff"}'],
)
def test_invalid_json(text):
    with pytest.raises(cvae.BundleError, match=r"^m: expected JSON: .*; export the bundle again$"):
        cvae.bundle.parse_manifest(text, "m")


def test_deeply_nested_values(document):
    def text(depth):
        return json.dumps(changed(document, ("model",), replace("HERE"))).replace('"HERE"', "[" * depth + "]" * depth)

    def parses(depth):
        try:
            json.loads(text(depth))
        except RecursionError:
            return False
        return True

    low, high = 1, 1_000_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if parses(middle) else (low, middle)
    # Near Python's recursion limit, a value that can be parsed may be too deep to print.
    for depth in range(low - 60, low + 10):
        with pytest.raises(cvae.BundleError):
            cvae.bundle.parse_manifest(text(depth), "m")


def test_numbers_beyond_float64(document):
    # Python and JavaScript parse it as infinity, which JSON cannot represent.
    text = json.dumps(changed(document, ("training", "test_elbo"), replace("HERE"))).replace('"HERE"', "-1e400")
    assert not VALIDATOR.is_valid(json.loads(text))
    with pytest.raises(cvae.BundleError, match="training.test_elbo: expected a "):
        cvae.bundle.parse_manifest(text, "m")


def test_nan_and_infinity_are_not_written(manifest):
    training = dataclasses.replace(manifest.training, test_elbo=float("nan"))
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        dataclasses.replace(manifest, training=training).to_json()
