"""The nets of every preset: their sizes, and the layers of those that follow a published design."""

from __future__ import annotations

import pytest
import torch

from acgan.nets import build_discriminator, build_generator
from acgan.nets.blocks import first_halving
from acgan.nets.small import Blur
from acgan.training.presets import PRESETS


def test_blur_is_the_mean_of_windows_behind_a_replicated_edge() -> None:
    images = torch.randn(2, 3, 8, 8)
    padded = torch.nn.functional.pad(images, (1, 0, 1, 0), mode="replicate")
    assert torch.equal(Blur()(images), torch.nn.functional.avg_pool2d(padded, 2, stride=1))


def test_first_halving_is_a_4x4_convolution_of_stride_2() -> None:
    pad, unshuffle, blocks = first_halving(5)
    whole = torch.nn.Conv2d(3, 5, 4, stride=2, padding=1)
    assert isinstance(blocks, torch.nn.Conv2d)
    assert blocks.bias is not None
    assert whole.bias is not None
    with torch.no_grad():
        # Channel c * 4 + i * 2 + j of a block at (y, x) is pixel (2 y + i, 2 x + j) of channel c.
        weight = blocks.weight.unflatten(1, (3, 2, 2)).permute(0, 1, 4, 2, 5, 3)
        whole.weight.copy_(weight.reshape(5, 3, 4, 4))
        whole.bias.copy_(blocks.bias)
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(blocks(unshuffle(pad(images))), whole(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_draws_every_size(name: str) -> None:
    preset = PRESETS[name]
    sizes = (12, 11, 2) if preset.conditional else ()
    for size in preset.image_sizes:
        common = {"kind": preset.nets, "image_size": size, "sizes": sizes, "width": 0.1}
        generator = build_generator({**common, "z_dim": preset.z_dim, **preset.generator})
        discriminator = build_discriminator({**common, **preset.discriminator})
        labels = torch.zeros(2, len(sizes), dtype=torch.int64)
        pictures = generator(torch.randn(2, preset.z_dim), labels)
        assert pictures.shape == (2, 3, size, size)
        output = discriminator(pictures)
        assert output.adversarial.shape == (2,)
        assert output.classes.shape == (2, sum(sizes))


def shapes_of(
    net: torch.nn.Module, kind: type[torch.nn.Conv2d | torch.nn.ConvTranspose2d]
) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for module in net.modules():
        if isinstance(module, kind):
            kernel, stride, padding = module.kernel_size, module.stride, module.padding
            assert not isinstance(padding, str)
            found.append((module.out_channels, kernel[0], stride[0], padding[0]))
    return found


def test_dcgan_is_its_tutorial() -> None:
    """PyTorch DCGAN: ConvTranspose 512 k4 s1, 256, 128, 64 k4 s2 p1, 3 k5 s3 p1, and its mirror."""
    preset = PRESETS["dcgan"]
    generator = build_generator(
        {"kind": "dcgan", "image_size": 96, "z_dim": 100, "sizes": (), **preset.generator}
    )
    assert shapes_of(generator, torch.nn.ConvTranspose2d) == [
        (512, 4, 1, 0),
        (256, 4, 2, 1),
        (128, 4, 2, 1),
        (64, 4, 2, 1),
        (3, 5, 3, 1),
    ]
    discriminator = build_discriminator(
        {"kind": "dcgan", "image_size": 96, "sizes": (), **preset.discriminator}
    )
    assert shapes_of(discriminator, torch.nn.Conv2d) == [
        (64, 5, 3, 1),
        (128, 4, 2, 1),
        (256, 4, 2, 1),
        (512, 4, 2, 1),
        (1, 4, 1, 0),
    ]
    assert (preset.batch, preset.generator_every, preset.rate_g) == (256, 5, 2e-4)
    assert (preset.beta1, preset.beta2, preset.z_dim) == (0.5, 0.999, 100)


def test_dcgan_64_is_its_code() -> None:
    """The attribute-controlled system: dense to 3x3x512, k3 s3, k5 s2, k4 s3; then k5 s3 thrice."""
    preset = PRESETS["dcgan-64"]
    generator = build_generator(
        {"kind": "dcgan", "image_size": 64, "z_dim": 100, "sizes": (), **preset.generator}
    )
    assert shapes_of(generator, torch.nn.ConvTranspose2d) == [
        (512, 3, 1, 0),
        (256, 3, 3, 0),
        (128, 5, 2, 0),
        (3, 4, 3, 0),
    ]
    discriminator = build_discriminator(
        {"kind": "dcgan", "image_size": 64, "sizes": (), **preset.discriminator}
    )
    assert shapes_of(discriminator, torch.nn.Conv2d)[:3] == [
        (64, 5, 3, 0),
        (128, 5, 3, 0),
        (256, 5, 3, 0),
    ]
    assert (preset.penalty, preset.rate_g, preset.beta1) == ("dragan", 2e-4, 0.5)


def test_the_other_ancestors() -> None:
    paddle, tensorflow = PRESETS["dcgan-residual"], PRESETS["dcgan-5x5"]
    assert (paddle.z_dim, paddle.z_distribution, paddle.beta1, paddle.batch) == (
        72,
        "uniform",
        0.8,
        100,
    )
    discriminator = build_discriminator(
        {"kind": "dcgan", "image_size": 96, "sizes": (), **paddle.discriminator}
    )
    norms = [m.momentum for m in discriminator.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert set(norms) == {0.5}
    assert [m.p for m in discriminator.modules() if isinstance(m, torch.nn.Dropout)] == [0.4] * 4
    five = build_discriminator(
        {"kind": "dcgan", "image_size": 96, "sizes": (), **tensorflow.discriminator}
    )
    kernels = shapes_of(five, torch.nn.Conv2d)
    assert [shape[:3] for shape in kernels[:-1]] == [
        (64, 5, 2),
        (128, 5, 2),
        (256, 5, 2),
        (512, 5, 2),
    ]
