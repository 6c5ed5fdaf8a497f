import cvae_export


def test_public_names():
    assert cvae_export.__all__ == [
        "Comparison",
        "ConversionError",
        "ExportResult",
        "ParityError",
        "ExportConfig",
        "export",
        "export_models",
    ]
    for name in cvae_export.__all__:
        assert getattr(cvae_export, name) is not None
    assert not hasattr(cvae_export, "something_else")


def test_the_first_use_prints_nothing_of_tensorflows(fresh_python):
    result = fresh_python("import cvae_export; cvae_export.export")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
