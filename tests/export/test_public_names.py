import cvae_export


def test_public_names():
    assert cvae_export.__all__ == ["ConversionError", "ExportResult", "ParityError", "Verification", "export"]
    for name in cvae_export.__all__:
        assert getattr(cvae_export, name) is not None
    assert not hasattr(cvae_export, "something_else")
