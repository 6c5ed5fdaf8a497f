import cvae_train


def test_public_names():
    assert cvae_train.__all__ == [
        "CVAE",
        "PRESETS",
        "Callback",
        "Checkpoint",
        "Course",
        "DataInfo",
        "DataOptions",
        "Dataset",
        "DivergedError",
        "EpochRecord",
        "Evaluation",
        "ModelConfig",
        "RunFolder",
        "RunResult",
        "Start",
        "TensorBoard",
        "TrainConfig",
        "WorkerLostError",
        "evaluate",
        "import_tensorflow",
        "load_data",
        "load_run",
        "preprocess",
        "read_config",
        "read_history",
        "train",
    ]
    for name in cvae_train.__all__:
        assert getattr(cvae_train, name) is not None
    assert not hasattr(cvae_train, "something_else")
