import cvae_train


def test_public_names():
    assert all(getattr(cvae_train, name) is not None for name in cvae_train.__all__)
    assert not hasattr(cvae_train, "something_else")
