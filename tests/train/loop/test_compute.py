import numpy as np
import pytest
import tensorflow as tf

from cvae_runtime.system import Processor
from cvae_train import CVAE, ModelConfig, TrainConfig
from cvae_train._loop import compute as compute_module
from cvae_train._loop.compute import Compute, choose_compute, computing_in
from cvae_train._loop.loop import Loop, _shares
from cvae_train._run.plan import Plan
from tests.train.runs import quiet


def trained_weights(config, data, compute):
    loop = Loop(config, data, compute)
    elbo = loop.train_epoch(1, quiet)
    return elbo, np.concatenate([variable.numpy().ravel() for variable in loop.model.trainable_variables])


@pytest.mark.parametrize("objective", ["elbo", "dreg"])
@pytest.mark.parametrize("towers", [2, 3, 7])
def test_towers_take_the_undivided_batch_s_gradient(replaced, tiny_data, towers, objective):
    # 16 images a batch and 8 in the last: 3 and 7 towers hold different numbers of them.
    config = replaced(objective=objective, samples=4 if objective == "dreg" else 1)
    loops = [Loop(config, tiny_data, Compute(count)) for count in (1, towers)]
    gradients = []
    for loop in loops:
        images, shape = tf.constant(tiny_data.train[:16]), (config.samples, 16, 3)
        x = tf.cast(images >= 128, tf.float32)
        noise = tf.random.stateless_normal(shape, seed=(1, 2))
        parts = [
            loop._tower(x[part], noise[:, part], None, tf.constant(1.0))[1:]
            for part in _shares(tf.constant(0), tf.constant(16), loop._compute.towers)
        ]
        gradients.append([tf.add_n(tower).numpy() for tower in zip(*parts, strict=True)])
    for undivided, divided in zip(*gradients, strict=True):
        np.testing.assert_allclose(divided, undivided, rtol=1e-4, atol=1e-4)


def test_an_epoch_on_towers_ends_where_one_without_does(replaced, tiny_data):
    config = replaced(learning_rate=1e-3, clip_norm=100.0)
    (elbo, weights), (tower_elbo, tower_weights) = (
        trained_weights(config, tiny_data, Compute(towers)) for towers in (1, 3)
    )
    assert tower_elbo == pytest.approx(elbo, rel=1e-5)
    np.testing.assert_allclose(tower_weights, weights, atol=2e-4)


@pytest.mark.parametrize("batch_size", [3, 13, 38, 40])
def test_more_towers_than_images_do_no_harm(replaced, tiny_data, batch_size):
    # 40 images leave 1, 1, 2 and none for the last step.
    config = replaced(batch_size=batch_size, learning_rate=1e-3)
    done = []
    assert Loop(config, tiny_data, Compute(5)).train_epoch(
        1, lambda images, _elbo: done.append(images)
    ) == pytest.approx(Loop(config, tiny_data, Compute(1)).train_epoch(1, quiet), rel=1e-4)
    assert done[-1] == 40


def test_the_test_elbo_is_the_same_on_towers(replaced, tiny_data, monkeypatch):
    monkeypatch.setattr("cvae_train._loop.loop.TEST_BATCH", 4)  # 13 images leave 1
    assert Loop(replaced(), tiny_data, Compute(3)).test_elbo(0) == pytest.approx(
        Loop(replaced(), tiny_data, Compute(1)).test_elbo(0), rel=1e-6
    )


def test_bfloat16_changes_a_step_by_rounding(replaced, tiny_data):
    (elbo, _), (rounded_elbo, _) = (
        trained_weights(replaced(), tiny_data, Compute(1, precision)) for precision in ("float32", "bfloat16")
    )
    assert rounded_elbo != elbo
    assert rounded_elbo == pytest.approx(elbo, rel=0.02)
    loop = Loop(replaced(), tiny_data, Compute(2, "bfloat16"))
    loop.train_epoch(1, quiet)
    assert {variable.dtype for variable in loop.model.variables} == {"float32"}
    # Evaluation computes in float32, whatever training does.
    assert loop.model.encode(tf.zeros((1, 8, 8, 1)))[0].dtype == tf.float32
    assert Loop(replaced(), tiny_data, Compute(1, "bfloat16")).test_elbo(0) == Loop(replaced(), tiny_data).test_elbo(0)


def test_computing_in_puts_the_layers_back():
    model = CVAE(ModelConfig(image_shape=(8, 8, 1), latent_dim=3, filters=(4,)))
    with computing_in(model, Compute(1, "bfloat16", for_cpu=True)):
        assert model.encode(tf.zeros((1, 8, 8, 1)))[0].dtype == tf.bfloat16
        assert model.decoder.layers[-1].for_cpu
    assert model.encode(tf.zeros((1, 8, 8, 1)))[0].dtype == tf.float32
    assert not model.decoder.layers[-1].for_cpu


def test_the_forms_for_a_cpu_take_the_same_step(replaced, tiny_data):
    config = replaced(learning_rate=1e-3)
    (elbo, weights), (other_elbo, other_weights) = (
        trained_weights(config, tiny_data, Compute(2, for_cpu=for_cpu)) for for_cpu in (False, True)
    )
    assert other_elbo == pytest.approx(elbo, rel=1e-5)
    np.testing.assert_allclose(other_weights, weights, atol=2e-4)


def recipe(precision, batch_size, architecture="notebook"):
    model = ModelConfig(filters=(4, 6), architecture=architecture)
    return TrainConfig(model=model, precision=precision, batch_size=batch_size)


@pytest.mark.parametrize(
    ("flag", "chosen"), [("avx512_bf16", "bfloat16"), ("amx_bf16", "bfloat16"), ("avx2", "float32")]
)
def test_auto_takes_bfloat16_where_the_processor_multiplies_it(monkeypatch, flag, chosen):
    monkeypatch.setattr(compute_module, "processor", lambda: Processor("a CPU", [flag]))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: [])
    assert choose_compute(recipe("auto", 10)).precision == chosen
    assert choose_compute(recipe("float32", 10)).precision == "float32"


@pytest.mark.parametrize(
    ("architecture", "cores", "batch_size", "towers", "threads"),
    [
        ("notebook", 2, 100, 2, 1),
        ("notebook", 8, 100, 4, 2),
        ("notebook", 6, 100, 4, 1),
        ("notebook", 2, 49, 1, 2),
        ("notebook", 1, 100, 1, 1),
        ("notebook", 64, 10_000, 64, 1),
        ("residual", 2, 16, 2, 1),
        ("residual", 16, 16, 8, 2),
        ("residual", 2, 3, 1, 2),
        ("dense", 2, 20, 2, 1),
        ("dense", 2, 19, 1, 2),
    ],
)
def test_cores_are_shared_among_towers_that_have_enough_images(
    monkeypatch, architecture, cores, batch_size, towers, threads
):
    set_threads = []
    monkeypatch.setattr(compute_module, "_set_threads", lambda *numbers: not set_threads.append(numbers))
    monkeypatch.setattr(compute_module, "allowed_cores", lambda: cores)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: [])
    assert choose_compute(recipe("float32", batch_size, architecture)) == Compute(
        towers, "float32", for_cpu=True, threads=threads
    )
    assert set_threads == [(threads, towers if towers > 1 else 0)]


@pytest.fixture
def one_core(monkeypatch):
    """A machine of one core, whose TensorFlow was not used yet; the threads that it is given."""
    set_threads = []
    monkeypatch.setattr(compute_module, "_set_threads", lambda *numbers: not set_threads.append(numbers))
    monkeypatch.setattr(compute_module, "allowed_cores", lambda: 1)
    monkeypatch.setattr(compute_module, "processor", lambda: Processor("a CPU", []))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: [])
    return set_threads


@pytest.mark.parametrize(("towers", "threads", "operators"), [(4, 2, 4), (1, 8, 0)])
def test_a_resumed_run_computes_as_it_was_begun(one_core, towers, threads, operators):
    begun = Plan(towers=towers, threads=threads, precision="bfloat16", for_cpu=True)
    chosen = choose_compute(recipe("auto", 100), begun)
    assert chosen == Compute(towers, "bfloat16", for_cpu=True, threads=threads)
    assert one_core == [(threads, operators)]


def test_a_run_on_another_device_gets_a_new_plan(one_core):
    begun = Plan(precision="bfloat16", device="GPU")
    assert choose_compute(recipe("auto", 100), begun) == Compute(1, "float32", for_cpu=True, threads=1)
    assert one_core == [(1, 0)]


@pytest.mark.usefixtures("one_core")
def test_where_tensorflow_has_other_threads_the_towers_stay(monkeypatch):
    monkeypatch.setattr(compute_module, "_set_threads", lambda *_: False)
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 0)
    begun = Plan(towers=2, threads=3, for_cpu=True)
    assert choose_compute(recipe("float32", 100), begun) == Compute(2, "float32", for_cpu=True, threads=1)
    assert choose_compute(recipe("float32", 100)) == Compute(1, "float32", for_cpu=True, threads=1)


@pytest.mark.parametrize("visible", [True, False])
def test_a_warning_for_an_unusable_gpu(monkeypatch, tmp_path, caplog, visible):
    (tmp_path / "0000:01:00.0").mkdir()
    monkeypatch.setattr(compute_module, "_NVIDIA", tmp_path)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: ["GPU:0"] if visible else [])
    assert choose_compute(recipe("float32", 10)).device == ("GPU" if visible else "CPU")
    warning = "TensorFlow cannot use this machine's NVIDIA GPU, so training runs on the CPU; "
    assert [record.message.startswith(warning) for record in caplog.records] == ([] if visible else [True])


def test_threads_are_fixed_once_tensorflow_is_used(fresh_python):
    code = (
        "import cvae_train\n"
        "cvae_train.import_tensorflow()\n"
        "from cvae_train._loop.compute import _set_threads\n"
        "import tensorflow as tf\n"
        "assert _set_threads(1, 3)\n"
        "tf.constant(1)\n"
        "assert _set_threads(1, 3) and not _set_threads(1, 2)\n"
    )
    result = fresh_python(code)
    assert result.returncode == 0, result.stderr
