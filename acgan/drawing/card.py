"""The model card of a packaged snapshot: what it was trained on, how it scores, what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acgan.drawing.ask import class_label
from acgan.drawing.describe import accuracy_per_class
from acgan.nets.snapshot import Snapshot
from avatar_common.disk.runs import SnapshotInfo

CARD = """\
# Model card: {name}

A conditional generator of anime faces, {size}x{size} px, {weights:,} weights stored as {precision}.
It takes {z_dim} random numbers and {attributes}.

```
python -m acgan generate --snapshot {name} --hair-color blue --count 16
python -m acgan serve --snapshot {name}
```

## What it was trained on

{about}

{training}

Training faces per class (a face without a label for an attribute is in none of its classes), and
how often the classifier below saw the class when it was asked for:

{classes}

## How it scores

{scores}

## What it is not

It draws what its training faces are like: their poses, their style, their gaps. Rare classes and
combinations that no training face had may fail; the page marks them. It knows nobody: a likeness to
a character comes from the faces it has seen. Do not pass its pictures off as somebody's own work.
"""
OUTSIDE = {
    "frechet_ratio": "Fréchet distance over the reals' own",
    "clean": "as close to reals as 95% of reals",
    "precision": "precision",
    "recall": "recall",
}
NOT_TOLD = "Its maker has not said where the faces came from."


def model_card(
    name: str,
    snapshot: Snapshot,
    scores: Mapping[str, Any] | None,
    config: Mapping[str, Any],
    about: str,
) -> str:
    """The card as Markdown; `config` is the training run's config.json, empty where unknown."""
    info = snapshot.info
    weights = snapshot.path.with_suffix(".safetensors").stat().st_size
    count = sum(tensor.numel() for tensor in snapshot.generator.parameters())
    return CARD.format(
        name=name,
        size=info.image_size,
        weights=count,
        precision="fp16" if weights < 3 * count else "float32",
        z_dim=info.z_dim,
        attributes=", ".join(info.vocabulary.names) or "no attributes",
        about=about or NOT_TOLD,
        training=training_lines(info, config),
        classes=class_table(info, scores),
        scores=score_lines(scores),
    )


def training_lines(info: SnapshotInfo, config: Mapping[str, Any]) -> str:
    """Dataset, preset, length and commit, as far as they are known."""
    training = config.get("training", {})
    labelled = max((sum(counts) for counts in info.class_counts.values()), default=0)
    parts = [f"{labelled:,} labelled training faces (dataset id `{info.dataset_id}`)"]
    parts += [f"preset `{training['preset']}`"] if "preset" in training else []
    parts += [f"{info.kimg:,.1f} thousand pictures shown"]
    parts += [f"seed {training['seed']}"] if "seed" in training else []
    if averaged := info.extra.get("averaged_snapshots"):
        parts += [f"the mean of its run's last {averaged} snapshots"]
    if truncation := info.extra.get("truncation"):
        kept = truncation["recall"] / max(truncation["recall_before"], 1e-9)
        parts += [f"learnt truncation, which keeps {kept:.0%} of the recall"]
    parts += [
        f"{label} {config[key]}"
        for key, label in (("device", "on"), ("commit", "commit"))
        if config.get(key)
    ]
    return "; ".join(parts) + "."


def class_table(info: SnapshotInfo, scores: Mapping[str, Any] | None) -> str:
    """One row per class."""
    accuracy = accuracy_per_class(scores)
    lines = ["| attribute | class | faces | seen when asked |", "|---|---|---|---|"]
    for group in info.vocabulary:
        counts = info.class_counts.get(group.name, [])
        for place, found in enumerate(group.classes):
            share = accuracy.get(group.name, {}).get(found)
            cells = [
                group.name.replace("_", " "),
                class_label(group.name, found),
                f"{counts[place]:,}" if place < len(counts) else "",
                "not measured" if share is None else f"{share:.0%}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def score_lines(scores: Mapping[str, Any] | None) -> str:
    """The report's figures beside the real faces' own."""
    if scores is None:
        return "It has not been scored (`python -m eval report`)."
    lines = [
        f"By `python -m eval report` on {scores['n']:,} of its pictures, asked for the held-out "
        "faces' own labels, read by a classifier trained on the real faces only:",
        "",
        "| | drawn | real |",
        "|---|---|---|",
    ]
    for name, group in scores["accuracy"].items():
        lines.append(f"| {name.replace('_', ' ')} right | {_cells(group)} |")
    ms_ssim, outside = scores.get("ms_ssim") or {}, scores.get("outside") or {}
    if ms_ssim:
        label = "MS-SSIM within a combination (low is varied)"
        lines.append(f"| {label} | {_cells(ms_ssim)} |")
    for network in (found for found in outside.values() if isinstance(found, Mapping)):
        for measure, label in OUTSIDE.items():
            if measure in network:
                pair = {"fake": network[measure]["drawn"], "real": network[measure]["real"]}
                lines.append(f"| {label}, {network['network']} | {_cells(pair)} |")
    verdicts = [f"- {verdict['text']}" for verdict in scores.get("verdicts", [])]
    return "\n".join([*lines, "", "The report's verdicts:", "", *(verdicts or ["- none"])])


def _cells(pair: Mapping[str, Any]) -> str:
    cells = (pair.get("fake"), pair.get("real"))
    return " | ".join("" if value is None else f"{value:.3f}" for value in cells)
