"""What is on the page: every control, laid out for wide and narrow windows."""

from __future__ import annotations

import itertools
from typing import Any

import gradio as gr

from acgan.request import RANDOM
from acgan.serve import studio as st
from acgan.serve.library import Library
from acgan.serve.studio import Visit

VISIT_LIFE_S = 3600
ALWAYS_SHOWN = 2
STRONGEST = ("the most telling latent number", "")


class Controls:
    """Builds the controls inside the Gradio page that is open, for the snapshots of a library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._slots = max(len(info.vocabulary) for info in library.infos.values())
        self._lay_out()

    def _lay_out(self) -> None:
        first = self._library.names[0]
        self.visit = gr.State(Visit(), time_to_live=VISIT_LIFE_S)
        with gr.Row(elem_id="head"):
            gr.Markdown("# Avatar maker\nClick what it shall look like, then a face you like.")
            self.snapshot = gr.Dropdown(
                self._library.names, value=first, label="Snapshot", elem_id="snapshot",
                container=False, show_label=False, min_width=220,
                visible=len(self._library.names) > 1,
            )  # fmt: skip
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                self._lay_out_controls(first)
            with gr.Column(scale=5, min_width=320):
                self._lay_out_candidates()
            with gr.Column(scale=3, min_width=260):
                self._lay_out_chosen()
        with gr.Tabs():
            self._lay_out_tabs(first)

    def _lay_out_controls(self, first: str) -> None:
        controls = self.attribute_updates(first, {})
        common, rest = controls[:ALWAYS_SHOWN], controls[ALWAYS_SHOWN:]
        with gr.Column(elem_id="attributes"):
            gr.HTML(self.legend(first), elem_id="legend", padding=False)
            self.attributes = [_attribute(n, c) for n, c in enumerate(common)]
            with gr.Accordion("More features", open=False, visible=bool(rest), elem_id="more"):
                self.attributes += [_attribute(n, c) for n, c in enumerate(rest, len(common))]

    def legend(self, snapshot: str) -> str:
        """What the small print of the options says."""
        faces = "how many training faces had it"
        if self._library.is_scored(snapshot):
            return f"Under each: {faces} · how often it shows when asked for."
        return f"Under each: {faces}. This snapshot has not been scored."

    def _lay_out_candidates(self) -> None:
        with gr.Row(elem_id="bar"):
            self.draw = gr.Button("Draw", variant="primary", elem_id="draw", min_width=90)
            self.reroll = gr.Button("Re-roll", elem_id="reroll", min_width=90)
        self.note = gr.HTML("", visible=False, elem_id="note", padding=False)
        self.candidates = _gallery("Candidates", "candidates", 4)
        with gr.Row(equal_height=True):
            self.seed = gr.Number(st.new_seed, label="Seed", step=1, elem_id="seed", min_width=100)
            self.lock = gr.Checkbox(
                False, label="Lock seed", elem_id="lock", min_width=140,
                info="Same characters, other features",
            )  # fmt: skip
        self.count = gr.Slider(4, st.MOST_PICTURES, 16, step=1, label="How many", elem_id="count")

    def _lay_out_chosen(self) -> None:
        self.chosen = gr.Image(
            label="Chosen", show_label=False, elem_id="chosen", interactive=False, buttons=[],
            format="png", type="filepath",
        )  # fmt: skip
        self.caption = gr.HTML("Click a face to choose it.", elem_id="caption", padding=False)
        with gr.Row():
            self.set_first = gr.Button("Use as A", size="md", elem_id="set-first", min_width=80)
            self.set_second = gr.Button("Use as B", size="md", elem_id="set-second", min_width=80)
        with gr.Group():
            self.strength = gr.Slider(
                0.05, 1.0, 0.3, step=0.05, label="How different", elem_id="strength"
            )
            self.vary = gr.Button("Variations", size="md", elem_id="vary")
        with gr.Group():
            self.size = gr.Radio(
                [(f"{n}×", n) for n in st.SIZES], value=1, label="Size of the PNG", elem_id="size",
            )  # fmt: skip
            with gr.Row(equal_height=True):
                self.png = _download("PNG", "download-png")
                self.recipe = _download("Recipe", "download-recipe")

    def _lay_out_tabs(self, first: str) -> None:
        with gr.Tab("Morph A to B", id="morph"), gr.Row():
            with gr.Column(min_width=260):
                with gr.Row():
                    self.first = _thumbnail("A", "first")
                    self.second = _thumbnail("B", "second")
                self.frames = gr.Slider(
                    12, st.MOST_FRAMES, 30, step=1, label="Pictures", elem_id="frames"
                )
                self.morph = gr.Button("Morph", variant="primary", elem_id="morph")
            self.morph_files = _animation("morph")
        with gr.Tab("Sweep", id="sweep"), gr.Row():
            with gr.Column(min_width=260):
                self.move = gr.Dropdown(
                    self.move_choices(first), value="", label="What moves", elem_id="move"
                )
                self.steps = gr.Slider(6, 60, 20, step=1, label="Pictures", elem_id="steps")
                self.sweep = gr.Button("Sweep", variant="primary", elem_id="sweep")
            self.sweep_files = _animation("sweep")
        with gr.Tab("History", id="history-tab"):
            gr.Markdown("What you chose in this visit. Click one to have its settings back.")
            self.history = _gallery("History", "history", 8)
        with gr.Tab("Bring one back", id="restore-tab"):
            self.upload = gr.File(
                label="Drop a PNG or recipe that was drawn here", file_types=[".png", ".json"],
                type="filepath", elem_id="upload", height=140,
            )  # fmt: skip

    def attribute_updates(self, snapshot: str, asked: dict[str, str]) -> list[gr.Radio]:
        choices = list(self._library.choices(snapshot).items())
        padding: list[Any] = [None] * (self._slots - len(choices))
        return [
            gr.Radio(visible=False, value=RANDOM, choices=[("Random", RANDOM)], render=False)
            if item is None
            else gr.Radio(
                choices=item[1],
                value=asked.get(item[0], RANDOM),
                label=item[0].replace("_", " ").capitalize(),
                visible=True,
                render=False,
            )
            for item in itertools.chain(choices, padding)
        ]

    def move_choices(self, snapshot: str) -> list[tuple[str, str]]:
        names = self._library.infos[snapshot].vocabulary.names
        return [STRONGEST, *((name.replace("_", " "), name) for name in names)]


def _attribute(place: int, settings: gr.Radio) -> gr.Radio:
    settings.elem_id = f"attribute-{place}"
    settings.elem_classes = ["options"]
    return settings.render()


def _gallery(label: str, name: str, columns: int) -> gr.Gallery:
    return gr.Gallery(
        label=label, show_label=False, elem_id=name, columns=columns, object_fit="contain",
        allow_preview=False, format="png", height="auto", interactive=False, buttons=[],
    )  # fmt: skip


def _thumbnail(label: str, name: str) -> gr.Image:
    return gr.Image(
        label=label, elem_id=name, height=130, interactive=False, buttons=[], min_width=110,
        format="png", type="filepath",
    )  # fmt: skip


def _download(label: str, name: str, *, visible: bool = True) -> gr.DownloadButton:
    return gr.DownloadButton(label, elem_id=name, interactive=False, min_width=80, visible=visible)


def _animation(name: str) -> tuple[gr.Image, gr.Image, gr.DownloadButton, gr.DownloadButton]:
    with gr.Column(min_width=260):
        gif = gr.Image(
            label="GIF", show_label=False, elem_id=f"{name}-gif", interactive=False, buttons=[],
            format="gif", type="filepath", visible=False,
        )  # fmt: skip
        strip = gr.Image(
            label="Strip", show_label=False, elem_id=f"{name}-strip", interactive=False, buttons=[],
            format="png", type="filepath", visible=False,
        )  # fmt: skip
        with gr.Row():
            save_gif = _download("GIF", f"download-{name}-gif", visible=False)
            save_strip = _download("Strip", f"download-{name}-strip", visible=False)
    return gif, strip, save_gif, save_strip
