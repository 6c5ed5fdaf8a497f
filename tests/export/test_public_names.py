import dataclasses
import typing

import cvae_export
import cvae_runtime
import cvae_runtime.bundle


def test_public_names():
    assert cvae_export.__all__ == [
        "Comparison",
        "ConversionError",
        "ExportConfig",
        "ExportResult",
        "Graph",
        "MeanElbo",
        "ParityError",
        "SkippedGraph",
        "export",
        "export_models",
    ]
    for name in cvae_export.__all__:
        assert getattr(cvae_export, name) is not None
    assert not hasattr(cvae_export, "something_else")


def dataclasses_in(hint):
    """The dataclasses of a type hint, and of their fields."""
    if dataclasses.is_dataclass(hint):
        yield hint
        for field_hint in typing.get_type_hints(hint).values():
            yield from dataclasses_in(field_hint)
    for argument in typing.get_args(hint):
        yield from dataclasses_in(argument)


def test_types_of_result_fields_are_public():
    found = set(dataclasses_in(cvae_export.ExportResult))
    public = {
        getattr(module, name)
        for module in (cvae_export, cvae_runtime, cvae_runtime.bundle)
        for name in module.__all__
        if isinstance(getattr(module, name), type)
    }
    assert {"Comparison", "Graph", "Manifest", "MeanElbo", "SkippedGraph"} < {kind.__name__ for kind in found}
    assert found <= public


def test_first_use_prints_nothing(fresh_python):
    result = fresh_python("import cvae_export; cvae_export.export")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
