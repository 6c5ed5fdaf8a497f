"""Concurrent requests to the service: which share a call of the model, and what each receives."""

import asyncio
import threading

import numpy as np
import pytest

from tests.examples.service_answers import array_of, digits, error_of, png
from tests.waits import PATIENCE


@pytest.fixture
def held(ask):
    """Return a function that sends requests, of which the first finds the model free; it returns answers and engine."""

    def held(requests, name="decoder", **settings):
        async def conversation(client, app):
            batcher, free, running = getattr(app.state.engine, name), threading.Event(), threading.Event()
            run = batcher._run

            def slow(*items):
                running.set()
                assert free.wait(PATIENCE)
                return run(*items)

            batcher._run = slow
            first = asyncio.create_task(client.request(**requests[0]))
            await asyncio.to_thread(running.wait, PATIENCE)
            others = [asyncio.create_task(client.request(**request)) for request in requests[1:]]
            # All others wait, or one was rejected.
            while batcher.requests < len(requests) and not any(task.done() for task in others):  # noqa: ASYNC110 - the batcher has no event for it
                await asyncio.sleep(0.001)
            free.set()
            return [await task for task in (first, *others)], app.state.engine

        return ask(conversation, **settings)

    return held


def test_samples_are_batched(held, model):
    asked = [{"count": 1 + index, "seed": 11 * index, "first": 3 * index, "temperature": 0.9} for index in range(8)]
    answers, engine = held([{"method": "GET", "url": "/sample", "params": one | {"format": "json"}} for one in asked])
    assert (engine.decoder.requests, engine.decoder.calls) == (8, 2)
    for one, answer in zip(asked, answers, strict=True):
        np.testing.assert_allclose(array_of(answer), model.generate(**one), rtol=0, atol=1e-6)


def test_samples_of_several_classes_are_batched(held, labelled_bundle, labelled_model):
    asked = [{"count": 1 + index, "seed": 11 * index} for index in range(8)]
    labels = [None, "0", "7", "7", None, "0", "7", None]
    given = [one | ({} if label is None else {"label": label}) for one, label in zip(asked, labels, strict=True)]
    requests = [{"method": "GET", "url": "/sample", "params": one | {"format": "json"}} for one in given]
    answers, engine = held(requests, bundle=str(labelled_bundle))
    assert (engine.decoder.requests, engine.decoder.calls) == (8, 2)
    for one, answer in zip(given, answers, strict=True):
        np.testing.assert_allclose(array_of(answer), labelled_model.generate(**one), rtol=0, atol=1e-5)


def test_reconstructions_and_scores_are_batched(held, model):
    images = digits(model, 6)
    urls = ["/reconstruct?format=json&sample=true&seed=3", "/score?seed=1&samples=4"] * 3
    files = [[("images", ("a.png", png(image)))] for image in images]
    requests = [{"method": "POST", "url": url, "files": file} for url, file in zip(urls, files, strict=True)]
    answers, engine = held(requests, "encoder")
    assert (engine.encoder.requests, engine.encoder.calls, engine.decoder.requests) == (6, 2, 6)
    for index, answer in enumerate(answers):
        image = images[index : index + 1]
        if index % 2 == 0:
            expected = model.reconstruct(image, sample=True, seed=3)
            np.testing.assert_allclose(array_of(answer), expected, rtol=0, atol=1e-6)
        else:
            expected = model.score(image, samples=4, seed=1).elbo
            np.testing.assert_allclose(answer.json()["elbo"], expected, rtol=1e-6)


def test_busy_service_answers_503(held):
    request = {"method": "GET", "url": "/sample?count=4"}
    answers, engine = held([request] * 6, max_waiting=10)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 503, 503, 503]
    refused = answers[-1]
    assert error_of(refused) == (503, "8 items wait for the model; try again later")
    assert refused.headers["retry-after"] == "1"
    assert engine.decoder.requests == 3


def test_model_error_reaches_only_its_request(service):
    async def run():
        def halves(items):
            if (items < 0).any():
                raise ValueError("negative")
            return items / 2, items * 2

        batcher = service.batching.Batcher(halves, most_waiting=100, most_at_once=4)
        arrays = [np.array([1.0, 2.0]), np.array([-1.0]), np.arange(9.0)]
        first = await asyncio.gather(*map(batcher, arrays), return_exceptions=True)
        second = await batcher(arrays[0])
        await batcher.close()
        return first, second, batcher.calls

    (one, two, large), second, calls = asyncio.run(run())
    np.testing.assert_array_equal(one, [[0.5, 1.0], [2.0, 4.0]])
    assert repr(two) == "ValueError('negative')"
    np.testing.assert_array_equal(large, [np.arange(9.0) / 2, np.arange(9.0) * 2])
    np.testing.assert_array_equal(second, [[0.5, 1.0], [2.0, 4.0]])
    assert calls == 3 + 2  # the first call is repeated for each of its two requests


def test_failing_request_is_found_in_few_calls(service):
    async def run():
        def positive(items):
            if (items < 0).any():
                raise ValueError("negative")
            return (items,)

        batcher = service.batching.Batcher(positive, most_waiting=1000)
        numbers = [np.array([-1.0 if index == 77 else 1.0]) for index in range(256)]
        found = await asyncio.gather(*map(batcher, numbers), return_exceptions=True)
        await batcher.close()
        return found, batcher.calls

    found, calls = asyncio.run(run())
    assert [index for index, one in enumerate(found) if isinstance(one, ValueError)] == [77]
    assert calls == 1 + 2 * 8


def test_cancelled_request_is_not_run(service):
    ran = []

    async def run():
        free = threading.Event()

        def echo(items):
            assert free.wait(PATIENCE)
            ran.extend(items.tolist())
            return (items,)

        batcher = service.batching.Batcher(echo, most_waiting=100)
        tasks = [asyncio.create_task(batcher(np.array([index]))) for index in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        with pytest.raises(service.batching.BusyError, match="2 items wait"):
            await batcher(np.zeros(99))
        free.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await batcher.close()
        return found

    first, second, third = asyncio.run(run())
    assert (first[0].tolist(), third[0].tolist(), ran) == ([0], [2], [0, 2])
    assert isinstance(second, asyncio.CancelledError)
