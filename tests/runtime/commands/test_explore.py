"""``cvae-generate``: interpolations, traversals, manifolds, animations, captions, and their errors."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

import cvae_runtime as cvae
import cvae_runtime.images
from cvae_runtime._images.captions import caption_cells, caption_rows


def pixels(name="samples.png"):
    with Image.open(name) as image:
        return np.asarray(image)


def frames(name):
    with Image.open(name) as image:
        return [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(image)]


def grid(images, columns, **settings):
    """The picture of images (…, 4, 4, 1), enlarged twice."""
    return cvae.image_grid(cvae.to_uint8(images.reshape(-1, 4, 4, 1)), columns, scale=2, **settings)[..., 0]


@pytest.fixture
def arrays(run, tiny_bundle):
    """Run ``cvae-generate`` with the tiny bundle and return the named arrays that it writes."""

    def arrays(*arguments, names=("images",)):
        code, out, err = run(tiny_bundle, *arguments, "--format", "npz", "-o", "-")
        assert (code, err) == (0, "")
        with np.load(io.BytesIO(out)) as archive:
            assert sorted(archive) == sorted(names)
            return [archive[name] for name in names]

    return arrays


@pytest.fixture
def image(tmp_path, tiny):
    """An image file, and its pixels, of the tiny model's size."""
    (tmp_path / "a.png").write_bytes(cvae.encode_png(tiny.images[0]))
    return tiny.images[0]


def test_interpolate_between_samples(arrays, tiny_model):
    (found,) = arrays("--interpolate", 3, 8, "--steps", 5, "--seed", 2, "--method", "spherical")
    a, b = cvae.prior_latents(2, 3, 1, 3)[0], cvae.prior_latents(2, 8, 1, 3)[0]
    np.testing.assert_array_equal(found, tiny_model.interpolate(a, b, steps=5, method="spherical"))
    ends = [tiny_model.generate(1, seed=2, first=index)[0] for index in (3, 8)]
    np.testing.assert_allclose(found[[0, -1]], ends, atol=1e-6)


def test_interpolate_between_an_image_and_a_sample(arrays, image, tiny_model):
    (found,) = arrays("--interpolate", "a.png", 4, "--invert")
    expected = tiny_model.interpolate(255 - image, cvae.prior_latents(0, 4, 1, 3)[0])
    np.testing.assert_array_equal(found, expected)
    assert found.shape == (8, 4, 4, 1)


def test_interpolate_wraps_after_20_images(run, tiny_bundle, tiny_model):
    latents = cvae.prior_latents(0, 0, 2, 3)
    for steps, columns in ((8, 8), (45, 20)):
        assert run(tiny_bundle, "--interpolate", 0, 1, "--steps", steps, "--overwrite") == (0, b"", "")
        np.testing.assert_array_equal(pixels(), grid(tiny_model.interpolate(*latents, steps=steps), columns))


def test_traverse_has_a_row_for_each_dimension(run, arrays, image, tiny_model):
    ranked = tiny_model.rank_dimensions(image)
    found, dimensions = arrays("--traverse", "a.png", names=("images", "dimensions"))
    np.testing.assert_array_equal(found, tiny_model.traverse(image))
    assert dimensions.tolist() == ranked
    start = cvae.prior_latents(0, 6, 1, 3)[0]
    assert run("tiny", "--traverse", 6, "--dimensions", "2,0", "--steps", 5, "--span", 1.5) == (0, b"", "")
    np.testing.assert_array_equal(pixels(), grid(tiny_model.traverse(start, [2, 0], steps=5, span=1.5), 5))


def test_manifold_is_a_grid_without_padding(run, arrays, tiny_model):
    found, dimensions = arrays("--manifold", names=("images", "dimensions"))
    np.testing.assert_array_equal(found, tiny_model.manifold())
    assert dimensions.tolist() == sorted(tiny_model.rank_dimensions()[:2])
    assert run("tiny", "--manifold", "--dimensions", "2,1", "--steps", 3) == (0, b"", "")
    np.testing.assert_array_equal(pixels(), grid(tiny_model.manifold([2, 1], steps=3), 3, padding=0))


def test_a_gif_plays_forwards_and_backwards(run, tiny_bundle, tiny_model):
    assert run(tiny_bundle, "--traverse", 6, "--steps", 4, "--gif") == (0, b"", "")
    images = tiny_model.traverse(cvae.prior_latents(0, 6, 1, 3)[0], steps=4)
    columns = [grid(images[:, step], 2) for step in (0, 1, 2, 3, 2, 1)]
    np.testing.assert_array_equal(frames("samples.gif"), columns)


def test_a_gif_of_a_path_shows_one_image_a_frame(run, tiny_bundle, tiny_model):
    assert run(tiny_bundle, "--interpolate", 0, 1, "--steps", 2, "-o", "way.gif", "--scale", 3) == (0, b"", "")
    images = cvae.to_uint8(tiny_model.interpolate(*cvae.prior_latents(0, 0, 2, 3), steps=2))
    np.testing.assert_array_equal(frames("way.gif"), [cvae.image_grid(i[np.newaxis], scale=3)[..., 0] for i in images])


def test_gif_is_format_gif(run, tiny_bundle):
    assert run(tiny_bundle, "-n", 3, "--gif", "-o", "a.gif") == (0, b"", "")
    assert run(tiny_bundle, "-n", 3, "--format", "gif", "-o", "b.gif") == (0, b"", "")
    assert Path("a.gif").read_bytes() == Path("b.gif").read_bytes()


def test_scale_enlarges_by_whole_factors(run, tiny_bundle, tiny_model, image):
    images = cvae.to_uint8(tiny_model.generate(4))
    assert run(tiny_bundle, "-n", 4, "--scale", 5) == (0, b"", "")
    np.testing.assert_array_equal(pixels(), cvae.image_grid(images, scale=5)[..., 0])
    assert run(tiny_bundle, "-n", 4, "--separate", "--scale", 3, "-o", "many") == (0, b"", "")
    np.testing.assert_array_equal(
        pixels("many/image_000002.png"), np.kron(images[2, ..., 0], np.ones((3, 3), np.uint8))
    )
    assert run(tiny_bundle, "--reconstruct", "a.png", "--scale", 3, "-o", "pair.png") == (0, b"", "")
    pair = np.stack([image, cvae.to_uint8(tiny_model.reconstruct(image[np.newaxis]))[0]])
    np.testing.assert_array_equal(pixels("pair.png"), cvae.image_grid(pair, columns=1, scale=3)[..., 0])


def test_captions_of_samples_are_indices(run, tiny_bundle, tiny_model):
    assert run(tiny_bundle, "-n", 3, "--first", 9, "--captions") == (0, b"", "")
    images = cvae.to_uint8(tiny_model.generate(3, first=9)).repeat(2, axis=1).repeat(2, axis=2)
    cells = caption_cells(images, ["9", "10", "11"])
    np.testing.assert_array_equal(pixels(), cvae.image_grid(cells)[..., 0])
    assert run(tiny_bundle, "-n", 3, "--first", 9, "--captions", "--gif") == (0, b"", "")
    np.testing.assert_array_equal(frames("samples.gif"), cells[..., 0])


def test_captions_of_traversals_are_dimensions(run, tiny_bundle, tiny_model):
    arguments = [tiny_bundle, "--traverse", 6, "--dimensions", "2,0", "--steps", 2, "--captions"]
    assert run(*arguments) == (0, b"", "")
    images = tiny_model.traverse(cvae.prior_latents(0, 6, 1, 3)[0], [2, 0], steps=2)
    np.testing.assert_array_equal(pixels(), caption_rows(grid(images, 2)[..., np.newaxis], ["2", "0"], 1)[..., 0])
    assert run(*arguments, "--gif") == (0, b"", "")
    column = caption_cells(cvae.to_uint8(images[:, 1]).repeat(2, axis=1).repeat(2, axis=2), ["2", "0"])
    np.testing.assert_array_equal(frames("samples.gif")[1], cvae.image_grid(column)[..., 0])


def test_separate_files_are_in_row_order(run, tiny_bundle, tiny_model):
    assert run(tiny_bundle, "--manifold", "--steps", 2, "--separate", "--format", "npy", "-o", "many") == (0, b"", "")
    found = [cvae.images.read_npy(path) for path in sorted(Path("many").iterdir())]
    np.testing.assert_array_equal(found, tiny_model.manifold(steps=2).reshape(4, 4, 4, 1))


def test_several_images_in_one_file_are_an_error(run, tiny_bundle, tiny):
    np.save("a.npy", tiny.images)
    message = "Error: a.npy: expected one image, found 11; save one of them by itself\n"
    assert run(tiny_bundle, "--traverse", "a.npy") == (1, b"", message)


def test_an_existing_output_fails_before_any_work(run, tiny_bundle, monkeypatch):
    Path("samples.gif").write_bytes(b"old")
    monkeypatch.setattr(cvae.Model, "manifold", None)
    message = "Error: samples.gif exists already; choose another name or pass --overwrite\n"
    assert run(tiny_bundle, "--manifold", "--gif") == (1, b"", message)
