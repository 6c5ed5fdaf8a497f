"""Runs whose recipe follows from the images or from a time, as a command and in Python."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import cvae_train
from cvae_runtime import InputError
from cvae_train import DataOptions, RunFolder, Speed, TrainConfig, plan_training, read_history, train
from cvae_train._cli import command
from tests.train.runs import untimed

SPEED = Speed(step_seconds=0.5, epoch_seconds=0.5, start_seconds=10.0)


@pytest.fixture
def run(whole_console):
    """A function that runs the command; its exit code, stdout and stderr."""
    return lambda *arguments: whole_console(command, "cvae-train", *arguments)


@pytest.fixture
def speed(monkeypatch):
    """Measurements with known results, and how many there were."""
    calls = []
    monkeypatch.setattr("cvae_train._speed.measure", lambda *arguments: calls.append(arguments) or SPEED)
    monkeypatch.setattr("cvae_train._planning.measure", lambda *arguments: calls.append(arguments) or SPEED)
    return calls


@pytest.fixture
def photos(tmp_path):
    """A folder of twelve small colour images in two sizes."""
    rng = np.random.default_rng(4)
    (tmp_path / "photos").mkdir()
    for number in range(12):
        pixels = rng.integers(0, 256, (10 + number % 2, 12, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photos/{number}.png")
    return tmp_path / "photos"


FEW = ("--epochs", 2, "--filters", "4", "--latent-dim", 3)
PLAN = [
    "plan: 11 training, 1 test images",
    "  --image-size 10x10          2 sizes; median of the shorter sides: 10",
    "  --channels 3                images are in colour",
    "  --likelihood discretized-logistic-mixture 256 levels: colour",
    "  --architecture residual     no wide layers at full size",
    "  --filters 4                 given",
    "  --latent-dim 3              given",
    "  --augment none              too few images to see a symmetry",
    "  --validation-fraction 0     too few images: fewer than 75",
    "  --batch-size 2              for 11 images",
    "  --optimizer muon            learns pictures in fewer steps than Adam",
    "  --learning-rate 0.0007      highest, for batches of 2; cosine decay to 0",
    "  --epochs 2                  given",
    "  --warmup-steps 1            10% of 12 steps",
    "  --patience 0                no validation images",
    "  --objective analytic-kl     ELBO with its KL in closed form: less noise",
    "  --beta 2                    weight of the KL, for better samples",
]


def test_a_folder_gets_a_recipe_of_its_own(run, photos, tmp_path):
    code, out, err = run(photos, "--run", tmp_path / "run", *FEW)
    lines = err.splitlines()
    assert (code, out, lines[2 : 2 + len(PLAN)]) == (0, "", PLAN)
    folder = RunFolder(tmp_path / "run")
    config, info = folder.read_config()
    assert config.model.image_shape == (10, 10, 3)
    assert info.options == DataOptions(image_size=(10, 10))
    assert [f"  {d['option']} {d['value']}" for d in folder.read_recipe()["decisions"]][:2] == [
        "  --image-size 10x10",
        "  --channels 3",
    ]
    finished = folder.weights.read_bytes()

    assert run(photos, "--run", tmp_path / "run", *FEW, "--resume", "-q") == (0, "", "")  # the same command
    assert run(photos, "--run", tmp_path / "run", "--resume", "-q") == (0, "", "")
    assert folder.weights.read_bytes() == finished
    code, _, err = run(photos, "--run", tmp_path / "run", "--latent-dim", 5, "--resume", "-q")
    assert (code, err.splitlines()[1]) == (1, "  config.model.latent_dim: 3 then, 5 now")
    assert run(photos, "--run", tmp_path / "again", "--config", folder.config, "-q") == (0, "", "")
    assert RunFolder(tmp_path / "again").read_config() == (config, info)
    assert RunFolder(tmp_path / "again").weights.read_bytes() == finished


def test_a_stopped_run_goes_on_with_its_plan(run, photos, tmp_path, monkeypatch, interrupted_in):
    whole = train(photos, plan_of(photos), tmp_path / "whole", quiet=True)
    with interrupted_in(2):
        assert run(photos, "--run", tmp_path / "run", *FEW, "-q")[0] == 130
    monkeypatch.setattr("cvae_train._prepare.derive", lambda *_: pytest.fail("derived again"))
    assert run(photos, "--run", tmp_path / "run", "--resume", "-q") == (0, "", "")
    assert (tmp_path / "run/weights.npz").read_bytes() == (whole.path / "weights.npz").read_bytes()
    assert untimed(read_history(tmp_path / "run/history.csv")) == untimed(whole.history)


def plan_of(photos):
    from cvae_train._prepare import Request, prepare

    return prepare(Request(photos, given={"epochs": 2, "filters": (4,), "latent_dim": 3}, quiet=True))[1]


def test_a_dry_run_prints_the_plan_and_writes_nothing(run, photos, tmp_path, monkeypatch, speed):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(photos, *FEW, "--dry-run")
    assert (code, out.splitlines()) == (0, [*PLAN, "  takes about 20 s"])  # 10 s, 2 epochs of 6 steps, 3 s at the end
    code, out, _ = run(photos, *FEW, "--dry-run", "--json")
    plan = json.loads(out)
    assert (code, plan["seconds"], plan["images"]) == (0, 20.0, {"training": 11, "validation": 0, "test": 1})
    assert plan["options"]["image_size"] == [10, 10]
    assert plan["decisions"][4] == {"option": "--filters", "value": "4", "reason": "given"}
    assert TrainConfig.from_json(plan["config"], "plan").model.image_shape == (10, 10, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]
    assert len(speed) == 2


def test_the_speed_is_measured(photos):
    plan = plan_training(photos, epochs=2, filters=(4,), latent_dim=3, quiet=True)
    assert repr(plan).splitlines()[:-1] == PLAN
    assert plan.speed.step_seconds > 0
    assert plan.speed.epoch_seconds > 0
    assert plan.seconds == plan.speed.start_seconds + 12 * plan.speed.step_seconds + 2 * plan.speed.epoch_seconds + 3


def test_minutes_choose_the_epochs(run, photos, tmp_path, speed):
    options = (photos, "--filters", "4", "--latent-dim", 3, "--run", tmp_path / "run", "--minutes")
    code, _, err = run(*options, 0.35)
    lines = err.splitlines()
    assert code == 0
    assert [line for line in lines if "--epochs" in line or "--warmup" in line or "takes" in line] == [
        "  --epochs 2                  12 steps fit into 0.35 min",
        "  --warmup-steps 1            10% of 12 steps",
        "  takes about 20 s",
    ]
    folder = RunFolder(tmp_path / "run")
    assert folder.read_minutes() == 0.35
    assert Speed(**folder.read_recipe()["speed"]) == SPEED
    finished = folder.weights.read_bytes()
    assert run(*options, 0.35, "--resume", "-q") == (0, "", "")
    assert folder.weights.read_bytes() == finished
    assert len(speed) == 1

    whole = train(photos, dataclasses.replace(plan_of(photos), speed=SPEED), tmp_path / "whole", quiet=True)
    assert whole.path.joinpath("weights.npz").read_bytes() == finished

    assert run(*options, 0.7, "--resume", "-q") == (0, "", "")  # 21 s more
    assert (folder.read_config()[0].epochs, folder.read_recipe()["minutes"]) == (4, 0.7)
    assert len(read_history(folder.history)) == 4
    assert run(*options, 0.7, "--resume", "-q") == (0, "", "")
    assert len(speed) == 1
    assert run(*options, 0.5, "--resume", "-q") == (
        1,
        "",
        (
            f"Error: {folder.path}: expected --minutes 0.7, as the run was started with, found 0.5; repeat it; a finished "
            f"run takes more\n"
        ),
    )


@pytest.mark.usefixtures("speed")
def test_minutes_scale_a_preset(run, photos, tmp_path):
    options = (photos, "--image-size", 12, "--preset", "fast", "--filters", "4", "--run", tmp_path / "run")
    code, _, err = run(*options, "--minutes", 0.5, "--batch-size", 1)
    assert code == 0
    assert [line for line in err.splitlines() if line.startswith(("plan", "  --", "  takes"))] == [
        "plan: 11 training, 1 test images",
        "  --likelihood discretized-logistic-mixture 3 channels",
        "  --warmup-steps 2            9.1% of 22 steps",
        "  --epochs 2                  22 steps fit into 0.5 min",
        "  takes about 25 s",
    ]
    config = RunFolder(tmp_path / "run").read_config()[0]
    assert (config.epochs, config.learning_rate, config.model.architecture) == (2, 7e-3, "notebook")
    assert run(*options, "--minutes", 0.5, "--batch-size", 1, "--resume", "-q") == (0, "", "")
    code, _, err = run(*options, "--minutes", 0.5, "--preset", "best", "--batch-size", 1, "--resume", "-q")
    assert (code, "  config.objective: analytic-kl then, stl now" in err.splitlines()) == (1, True)


def test_a_run_without_minutes_takes_none_later(run, photos, tmp_path):
    assert run(photos, "--run", tmp_path / "run", *FEW, "-q") == (0, "", "")
    assert run(photos, "--run", tmp_path / "run", "--minutes", 5, "--resume", "-q") == (
        1,
        "",
        (
            f"Error: {tmp_path / 'run'}: expected a run that was started with --minutes, found one that was started "
            f"without; leave --minutes out, or pass more --epochs\n"
        ),
    )
    assert run(photos, "--run", tmp_path / "run", "--epochs", 3, "--resume", "-q") == (0, "", "")
    assert RunFolder(tmp_path / "run").read_config()[0].epochs == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--minutes", 1, "--epochs", 2), 2, "--minutes and --epochs both set the length of the run: give one of them"),
        (("--dry-run", "--resume", "--run", "x"), 2, "--dry-run trains nothing: leave --resume and --tensorboard out"),
        (("--minutes", 0), 1, "minutes must be a positive number; found 0.0"),
        (("--minutes", "inf"), 1, "minutes must be a positive number; found inf"),
    ],
)
def test_contradictions(run, photos, arguments, code, message):
    found, _, err = run(photos, *arguments)
    assert (found, err.splitlines()[-1]) == (code, f"Error: {message}")


def test_the_folder_is_checked_before_the_speed_is_measured(run, photos, tmp_path, speed):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine.txt").write_text("x")
    code, _, err = run(photos, "--run", tmp_path / "run", "--minutes", 1)
    assert (code, err.splitlines()[-1]) == (
        1,
        f"Error: {tmp_path / 'run'}: expected a run folder or an empty one, found something else; choose another folder",
    )
    assert speed == []


@pytest.mark.usefixtures("speed")
def test_train_does_in_one_call_what_the_command_does(run, photos, tmp_path):
    assert run(photos, "--minutes", 0.35, "--run", tmp_path / "run", "-q") == (0, "", "")
    result = train(photos, run=tmp_path / "python", minutes=0.35, quiet=True)
    assert (result.path / "weights.npz").read_bytes() == (tmp_path / "run/weights.npz").read_bytes()
    assert RunFolder(result.path).read_recipe() == RunFolder(tmp_path / "run").read_recipe()
    again = train(photos, run=tmp_path / "python", resume=True, quiet=True)
    assert again.history == result.history
    plan = dataclasses.replace(plan_training(photos, minutes=0.35), speed=dataclasses.replace(SPEED, step_seconds=0.1))
    other = train(photos, plan, tmp_path / "plan", quiet=True)
    assert train(photos, plan, tmp_path / "plan", resume=True, quiet=True).history == other.history
    faster = plan_training(photos, minutes=0.35)  # as measured another time
    faster = dataclasses.replace(faster, config=dataclasses.replace(faster.config, epochs=9))
    assert train(photos, faster, tmp_path / "plan", resume=True, quiet=True).history == other.history
    with pytest.raises(InputError) as caught:
        train(photos, plan, tmp_path / "other", minutes=3)
    assert str(caught.value) == "minutes: expected those of the plan, found 3; pass them to plan_training"
    with pytest.raises(InputError) as caught:
        plan_training(photos, minutes=1, epochs=3)
    assert str(caught.value) == "minutes and epochs both set the length of the run: give one of them"


@pytest.mark.usefixtures("speed")
def test_arrays_and_data_sets_get_recipes_too(tmp_path, tiny_data):
    assert cvae_train.load_data(tiny_data.train).test.shape == (4, 8, 8, 1)
    few = {"epochs": 1, "filters": (4,), "latent_dim": 2}
    plans = [
        plan_training(tiny_data, **few),
        plan_training((tiny_data.train, tiny_data.test), **few),
        plan_training(tiny_data.train, **few),
    ]
    assert plans[0].config == plans[1].config
    assert [plan.images["test"] for plan in plans] == [13, 13, 4]
    paths = [
        train(data, plans[0], tmp_path / str(n), quiet=True).path
        for n, data in enumerate([tiny_data, (tiny_data.train, tiny_data.test)])
    ]
    assert len({(path / "weights.npz").read_bytes() for path in paths}) == 1


@pytest.mark.parametrize("count", [2, 3, 7, 20])
def test_a_handful_of_pictures_trains(run, tmp_path, count):
    for number in range(count):
        shade = np.full((9, 9, 3), 255 * number // count, np.uint8)
        (tmp_path / "few").mkdir(exist_ok=True)
        Image.fromarray(shade).save(tmp_path / f"few/{number}.png")
    code, _, err = run(tmp_path / "few", "--epochs", 1, "--run", tmp_path / "run", "-q")
    assert (code, [line for line in err.splitlines() if not line.startswith("warning")]) == (0, [])


def test_pictures_that_cannot_be_decoded_are_not_counted(run, photos, tmp_path):
    cut = (photos / "0.png").read_bytes()[:-60]
    for number in range(9):
        (photos / f"cut{number}.png").write_bytes(cut)
    code, _, err = run(photos, "--skip-bad", "--run", tmp_path / "run", *FEW)
    info = RunFolder(tmp_path / "run").read_config()[1]
    plan = next(line for line in err.splitlines() if line.startswith("plan: "))
    assert (code, plan) == (0, f"plan: {info.train_images} training, {info.test_images} test images")
    assert info.train_images + info.test_images == 12


def test_mnist_without_options_stays_the_notebooks():
    from cvae_train._prepare import Request, prepare

    plan = prepare(Request(quiet=True))[1]
    assert (plan.config, plan.lines(), plan.record()["decisions"]) == (TrainConfig(), [], [])
