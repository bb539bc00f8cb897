"""`python -m acgan train --list-presets`: what each preset is and costs."""

from __future__ import annotations

from acgan.training.cost import measure_cost
from acgan.training.options import TrainOptions
from acgan.training.presets import PRESETS, Preset
from avatar_common.commands import say


def list_presets(options: TrainOptions) -> None:
    """Print one block per preset: size, FLOPs, memory at its batch, source."""
    for name, preset in PRESETS.items():
        size = options.image_size or preset.native_size
        if size not in preset.image_sizes:
            say(f"{name}: not at {size} px")
            continue
        cost = measure_cost(name, size, options.width)  # type: ignore[arg-type]
        memory = cost.weights_bytes + preset.batch * cost.saved_bytes
        say(f"{name}  {describe(preset)}")
        say(
            f"  {size} px (of {', '.join(map(str, preset.image_sizes))}): "
            f"G {cost.parameters_g / 1e6:.2f} M, D {cost.parameters_d / 1e6:.2f} M parameters; "
            f"forward {cost.forward_g / 1e9:.2f} + {cost.forward_d / 1e9:.2f} GFLOP, "
            f"training {cost.training_flops / 1e9:.2f} GFLOP per picture; "
            f"about {memory / 2**20:.0f} MiB in float32 at batch {preset.batch}"
        )
        say(f"  source: {preset.source}")


def describe(preset: Preset) -> str:
    """The losses in a few words."""
    labels = preset.class_loss if preset.conditional else "unconditional"
    return f"{preset.nets} nets, {preset.adversarial_loss}, {labels}, penalty {preset.penalty}"
