"""Our numbers beside the libraries' on the same pictures and features, and closed forms."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch
from pytorch_msssim import ms_ssim as library_ms_ssim

from acgan.msssim import MsSsimSetting, ms_ssim, native_setting
from avatar_common.frechet import frechet_distance
from avatar_common.neighbours import measure_manifold, nearest
from eval.cache import ArrayCache
from eval.distance import kernel_distance
from eval.intervals import wilson_interval
from eval.msssim import ENLARGED, pair_scores
from eval.network_scores import carried
from eval.reading import Reading, confusion_matrix
from eval.twins import thumbnails


@pytest.fixture(scope="module")
def features() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(24, 24)) / 5
    left = np.maximum(rng.normal(size=(700, 24)) @ mix + 0.3, 0)
    right = np.maximum(rng.normal(size=(600, 24)) @ mix + 0.5, 0)
    return left.astype(np.float32), right.astype(np.float32)


def pictures(count: int, side: int, seed: int) -> torch.Tensor:
    coarse = torch.rand(count, 3, side // 8, side // 8, generator=_generator(seed))
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return (smooth * 255).to(torch.uint8)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_ms_ssim_is_the_librarys_at_256() -> None:
    left, right = pictures(6, 256, 0), pictures(6, 256, 1)
    right[:3] = (left[:3].float() * 0.8 + right[:3].float() * 0.2).to(torch.uint8)
    library = library_ms_ssim(left / 255, right / 255, data_range=1.0, size_average=False)
    torch.testing.assert_close(ms_ssim(left, right, ENLARGED), library, rtol=1e-4, atol=1e-6)


def test_ms_ssim_at_small_sizes() -> None:
    """The library refuses these; identical pictures score 1, others less, order has no effect."""
    left, right = pictures(4, 64, 0), pictures(4, 64, 1)
    with pytest.raises(AssertionError):
        library_ms_ssim(left / 255, right / 255, data_range=1.0, win_size=7)
    setting = native_setting(64)
    assert (setting.window, setting.scales) == (7, 4)
    assert sum(setting.betas) == pytest.approx(1)
    assert ms_ssim(left, left, setting).tolist() == pytest.approx([1] * 4)
    there, back = ms_ssim(left, right, setting), ms_ssim(right, left, setting)
    assert (there < 0.9).all()
    torch.testing.assert_close(there, back)


@pytest.mark.parametrize("side", [16, 24, 32, 48, 64, 96, 128, 256])
def test_native_setting_fits(side: int) -> None:
    setting = native_setting(side)
    assert side // 2 ** (setting.scales - 1) >= setting.window
    found = pair_scores(
        pictures(4, side, 0).numpy(),
        np.array([[0, 1], [2, 3]]),
        setting,
        device=torch.device("cpu"),
        cache=ArrayCache(None),
    )
    assert found.shape == (2,)
    assert np.isfinite(found).all()


def test_one_scale_is_ssim() -> None:
    from pytorch_msssim import ssim

    left, right = pictures(3, 32, 0), pictures(3, 32, 2)
    library = ssim(
        left / 255,
        right / 255,
        data_range=1.0,
        size_average=False,
        win_size=7,
        nonnegative_ssim=True,
    )
    ours = ms_ssim(left, right, MsSsimSetting(32, 7, 1))
    torch.testing.assert_close(ours, library, rtol=1e-4, atol=1e-6)


def test_frechet_is_torch_fidelitys(features: tuple[np.ndarray, np.ndarray]) -> None:
    fidelity = pytest.importorskip("torch_fidelity.metric_fid")
    statistics = [fidelity.fid_features_to_statistics(torch.from_numpy(f)) for f in features]
    expected = fidelity.fid_statistics_to_metric(*statistics, verbose=False)
    value = next(iter(expected.values())) if isinstance(expected, dict) else expected
    assert frechet_distance(*features) == pytest.approx(float(value), rel=1e-3)


def test_frechet_of_fewer_faces_than_features(features: tuple[np.ndarray, np.ndarray]) -> None:
    few = features[0][:20], features[1][:15]
    a, b = (np.cov(one.astype(np.float64), rowvar=False) for one in few)
    shared = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).real.sum()
    gap = few[0].mean(0) - few[1].mean(0)
    expected = gap @ gap + np.trace(a) + np.trace(b) - 2 * shared
    assert frechet_distance(*few) == pytest.approx(expected, rel=1e-3)


def test_kernel_distance_is_torch_fidelitys(features: tuple[np.ndarray, np.ndarray]) -> None:
    fidelity = pytest.importorskip("torch_fidelity.metric_kid")
    size = min(map(len, features))
    left, right = (torch.from_numpy(one[:size]) for one in features)
    found = fidelity.kid_features_to_metric(
        left, right, kid_subsets=1, kid_subset_size=size, kid_kernel="poly", verbose=False
    )
    value = next(value for key, value in found.items() if "mean" in key)
    assert kernel_distance(left.numpy(), right.numpy()) == pytest.approx(float(value), rel=1e-3)


def test_frechet_closed_form() -> None:
    """Two normal crowds: the squared gap of means plus the squared gap of deviations."""
    rng = np.random.default_rng(0)
    left = rng.normal(0, 1, (200_000, 2)).astype(np.float32)
    right = rng.normal([3, 0], 2, (200_000, 2)).astype(np.float32)
    assert frechet_distance(left, right) == pytest.approx(9 + 2 * (2 - 1) ** 2, rel=0.01)
    assert frechet_distance(left, left) == pytest.approx(0, abs=1e-6)


def test_a_carried_ratio_does_not_depend_on_the_count() -> None:
    """Two kinds of faces, 300 or 1,500 of each: the ratio itself is three times as large."""
    rng = np.random.default_rng(0)
    reals = rng.normal(size=(2, 1500, 40))
    fakes = rng.normal(size=(1500, 40)) * 1.25
    ratios = {}
    for count in (300, 1500):
        first, second = reals[0, :count], reals[1, :count]
        base = frechet_distance(second, first)
        ratios[count] = frechet_distance(fakes[:count], first) / base
    assert ratios[1500] > 2.5 * ratios[300]
    assert carried(ratios[300], 300) == pytest.approx(carried(ratios[1500], 1500), rel=0.15)


def test_manifold_is_prdcs(features: tuple[np.ndarray, np.ndarray]) -> None:
    prdc = pytest.importorskip("prdc")
    with contextlib.redirect_stdout(io.StringIO()):
        expected = prdc.compute_prdc(*features, nearest_k=5)
    assert measure_manifold(*features).to_json() == pytest.approx(expected, rel=1e-3)


def test_nearest_against_all_distances(features: tuple[np.ndarray, np.ndarray]) -> None:
    left, right = features
    distances, rows = nearest(left, right)
    table = np.linalg.norm(left[:, None] - right[None], axis=2)
    np.testing.assert_allclose(distances, table.min(1), rtol=1e-3)
    assert (rows == table.argmin(1)).mean() > 0.99
    assert nearest(left, left)[0].max() == 0


def test_wilson_interval() -> None:
    """Values of the textbook table (Newcombe 1998)."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_reading_by_hand() -> None:
    asked = np.array([0, 0, 0, 1, 1, -1])
    read = np.array([0, 0, 1, 1, 1, 0])
    found = Reading(confusion_matrix(asked, read, 3))
    assert found.confusion.tolist() == [[2, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert found.accuracy == pytest.approx(0.8)
    assert found.balanced == pytest.approx((2 / 3 + 1) / 2)
    assert found.majority == pytest.approx(0.6)
    assert found.chance == pytest.approx(1 / 2)


def test_association() -> None:
    mixed_up = Reading(np.array([[0, 50, 0], [0, 0, 50], [50, 0, 0]]))
    unrelated = Reading(np.full((3, 3), 20))
    assert mixed_up.accuracy == 0
    assert mixed_up.association == pytest.approx(1)
    assert unrelated.association == pytest.approx(0)


def test_thumbnails_are_area_means() -> None:
    picture = np.zeros((1, 3, 32, 32), dtype=np.uint8)
    picture[:, :, ::2, ::2] = 200
    np.testing.assert_allclose(thumbnails(picture), 50 / 255, rtol=1e-5)
