"""The path of few items: who gets it, that it changes no result, and that it is gone before a fork."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_runtime._fork import uninterrupted
from cvae_runtime._quick import QuickPath


@pytest.fixture
def model(tiny_bundle):
    with cvae.load(tiny_bundle, provider="cpu", threads=2) as model:
        yield model


def quick(model):
    return model._decoder._quick


def latents(count):
    return cvae.prior_latents(1, 0, count, 3)


def test_a_second_small_call_opens_a_session_of_two_threads(model, tiny):
    found = []
    for expected in (False, True, True):
        found.append(model.decode(latents(5)))
        assert (quick(model)._session is not None) == expected
    assert quick(model)._session.session.get_session_options().intra_op_num_threads == 2
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()
    np.testing.assert_allclose(found[1], tiny.decode(latents(5)), atol=1e-6)
    assert model._encoder._quick._session is None


def test_it_is_for_a_micro_batch_at_most_and_not_for_streams(model):
    for _ in range(3):
        model.decode(latents(model.micro_batch + 1))
        list(model.stream(5))
    assert quick(model)._calls == 0
    model.decode(latents(model.micro_batch))
    assert quick(model)._calls == 1


def test_one_thread_has_none(tiny_bundle):
    with cvae.load(tiny_bundle, provider="cpu", threads=1) as model:
        assert quick(model) is None


def test_who_finds_it_taken_goes_the_usual_way(model):
    expected = [model.decode(latents(3)) for _ in range(3)][-1]
    with quick(model)._lock:
        assert (model.decode(latents(3)) == expected).all()
        assert not quick(model).run(lambda _session: pytest.fail("taken"))


def test_what_fails_lets_it_go():
    def fails(_session=None):
        raise cvae.BundleError("broken")

    path = QuickPath(fails)
    assert not path.run(fails)
    for _ in range(2):
        with pytest.raises(cvae.BundleError, match="broken"):
            path.run(fails)
    assert not path._lock.locked()


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted where Linux lists them")
def test_closing_ends_its_threads(tiny_bundle):
    def threads():
        return len(list(Path("/proc/self/task").iterdir()))

    before = threads()
    model = cvae.load(tiny_bundle, provider="cpu", threads=2)
    for _ in range(2):
        model.decode(latents(2))
    assert threads() == before + 1
    model.close()
    assert threads() == before
    with pytest.raises(cvae.InputError, match="the model is closed; load it again"):
        model.decode(latents(2))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_has_none_of_its_threads_to_wait_for(model):
    expected = [model.decode(latents(2)) for _ in range(2)][-1]
    assert quick(model) in uninterrupted.at_fork
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a child that hangs is ended
        found = quick(model)._session is None and all((model.decode(latents(2)) == expected).all() for _ in range(3))
        model.close()
        os._exit(0 if found else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert quick(model)._session is None
    assert all((model.decode(latents(2)) == expected).all() for _ in range(3))
    assert quick(model)._session is not None
