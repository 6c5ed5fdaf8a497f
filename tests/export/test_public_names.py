import dataclasses
import typing

import cvae_export
import cvae_runtime.bundle


def dataclasses_in(hint):
    """The dataclasses of a type hint, and of their fields."""
    if dataclasses.is_dataclass(hint):
        yield hint
        for field_hint in typing.get_type_hints(hint).values():
            yield from dataclasses_in(field_hint)
    for argument in typing.get_args(hint):
        yield from dataclasses_in(argument)


def classes(module):
    return {getattr(module, name) for name in module.__all__ if isinstance(getattr(module, name), type)}


def test_types_of_result_fields_are_public():
    of_manifest = set(dataclasses_in(cvae_export.Manifest)) - {cvae_export.Manifest}
    assert of_manifest <= classes(cvae_runtime.bundle)
    found = set(dataclasses_in(cvae_export.ExportResult)) - of_manifest
    assert {"Comparison", "Graph", "Manifest", "MeanElbo", "SkippedGraph"} < {kind.__name__ for kind in found}
    assert found <= classes(cvae_export)


def test_first_use_prints_nothing(fresh_python):
    result = fresh_python("import cvae_export; cvae_export.export")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
