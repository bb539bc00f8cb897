"""The page: its controls, and which part of the studio each of them asks."""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any

import gradio as gr

from acgan.make.ask import MOST_SEED
from acgan.request import RANDOM
from acgan.serve import studio as st
from acgan.serve.library import unseen
from acgan.serve.studio import Studio, Visit
from manifest.errors import UserError

VISIT_LIFE_S = 3600
STRONGEST = ("the most telling latent number", "")
Updates = dict[Any, Any]


@contextmanager
def refusals() -> Iterator[None]:
    """A visitor's mistake becomes a message on the page."""
    try:
        yield
    except UserError as error:
        raise gr.Error(
            html.escape(str(error)), title="Not possible", print_exception=False
        ) from None


def refusing(handler: Callable[..., Updates]) -> Callable[..., Updates]:
    @wraps(handler)
    def guarded(*values: Any) -> Updates:
        with refusals():
            return handler(*values)

    return guarded


class Page:
    """Builds the Gradio page of a studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio, self._library = studio, studio.library
        infos = self._library.infos.values()
        self._slots = max(len(info.vocabulary) for info in infos)
        self.blocks = gr.Blocks(title="Avatar maker", analytics_enabled=False)
        with self.blocks:
            self._lay_out()
            self._wire()

    # Layout

    def _lay_out(self) -> None:
        first = self._library.names[0]
        self._visit = gr.State(Visit(), time_to_live=VISIT_LIFE_S)
        gr.Markdown(
            "# Avatar maker\nChoose what it shall look like, draw, click one.", elem_id="title"
        )
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                self._lay_out_controls(first)
            with gr.Column(scale=3, min_width=300):
                gr.Markdown("### Candidates", elem_classes="heading")
                self._candidates = _gallery("Candidates", "candidates", 4)
            with gr.Column(scale=2, min_width=280):
                self._lay_out_chosen()
        with gr.Tabs():
            self._lay_out_tabs(first)

    def _lay_out_controls(self, first: str) -> None:
        self._snapshot = gr.Dropdown(
            self._library.names, value=first, label="Snapshot", elem_id="snapshot",
            visible=len(self._library.names) > 1,
        )  # fmt: skip
        with gr.Row():
            self._draw = gr.Button("Draw", variant="primary", elem_id="draw", min_width=90)
            self._reroll = gr.Button("Re-roll", elem_id="reroll", min_width=90)
        with gr.Row(equal_height=True):
            self._seed = gr.Number(
                st.new_seed, label="Seed", precision=0, minimum=0, maximum=MOST_SEED,
                elem_id="seed", min_width=110,
            )  # fmt: skip
            self._lock = gr.Checkbox(
                False, label="Lock seed", elem_id="lock", min_width=110,
                info="Same characters, other features",
            )  # fmt: skip
        self._note = gr.HTML("", elem_id="note")
        controls = self._attribute_updates(first, {})
        common, rest = controls[:3], controls[3:]
        with gr.Column(elem_id="attributes"):
            self._attributes = [_attribute(n, c) for n, c in enumerate(common)]
            with (
                gr.Accordion("More features", open=False, visible=bool(rest), elem_id="more"),
                gr.Row(),
            ):
                self._attributes += [_attribute(n, c) for n, c in enumerate(rest, len(common))]
        self._count = gr.Slider(4, st.MOST_PICTURES, 16, step=1, label="How many", elem_id="count")

    def _lay_out_chosen(self) -> None:
        gr.Markdown("### Chosen", elem_classes="heading")
        self._chosen = gr.Image(
            label="Chosen", show_label=False, elem_id="chosen", interactive=False, buttons=[],
            format="png", type="filepath",
        )  # fmt: skip
        self._caption = gr.HTML("", elem_id="caption")
        with gr.Row():
            self._set_first = gr.Button("Use as A", size="md", elem_id="set-first", min_width=80)
            self._set_second = gr.Button("Use as B", size="md", elem_id="set-second", min_width=80)
        with gr.Group():
            self._strength = gr.Slider(
                0.05, 1.0, 0.3, step=0.05, label="How different", elem_id="strength"
            )
            self._vary = gr.Button("Variations", size="md", elem_id="vary")
        with gr.Row(equal_height=True):
            self._size = gr.Dropdown(
                [(f"{n}×", n) for n in st.SIZES], value=1, show_label=False, container=False,
                elem_id="size", min_width=70,
            )  # fmt: skip
            self._png = _download("PNG", "download-png")
            self._recipe = _download("Recipe", "download-recipe")

    def _lay_out_tabs(self, first: str) -> None:
        with gr.Tab("Morph A to B", id="morph"), gr.Row():
            with gr.Column(min_width=260):
                with gr.Row():
                    self._first = _thumbnail("A", "first")
                    self._second = _thumbnail("B", "second")
                self._frames = gr.Slider(
                    12, st.MOST_FRAMES, 30, step=1, label="Pictures", elem_id="frames"
                )
                self._morph = gr.Button("Morph", variant="primary", elem_id="morph")
            self._morph_files = _animation("morph")
        with gr.Tab("Sweep", id="sweep"), gr.Row():
            with gr.Column(min_width=260):
                self._move = gr.Dropdown(
                    self._move_choices(first), value="", label="What moves", elem_id="move"
                )
                self._steps = gr.Slider(6, 60, 20, step=1, label="Pictures", elem_id="steps")
                self._sweep = gr.Button("Sweep", variant="primary", elem_id="sweep")
            self._sweep_files = _animation("sweep")
        with gr.Tab("History", id="history-tab"):
            gr.Markdown("What you chose in this visit. Click one to have its settings back.")
            self._history = _gallery("History", "history", 8)
        with gr.Tab("Bring one back", id="restore-tab"):
            self._upload = gr.File(
                label="Drop a PNG or recipe that was drawn here", file_types=[".png", ".json"],
                type="filepath", elem_id="upload", height=140,
            )  # fmt: skip

    # Wiring

    def _wire(self) -> None:
        ask = [self._visit, self._snapshot, self._seed, self._lock, self._count, *self._attributes]
        drawn = [self._visit, self._seed, self._candidates, self._note]
        on(self._draw.click, self._on_draw, ask, drawn, api_name="draw")
        on(self._reroll.click, self._on_reroll, ask, drawn)
        on(self._seed.input, lambda: {self._lock: True}, [], [self._lock])
        look = [self._snapshot, *self._attributes]
        for control in self._attributes:
            on(control.input, self._on_look, look, [self._note])
        chosen = [
            self._visit, self._chosen, self._caption, self._png, self._recipe, self._history,
        ]  # fmt: skip
        inputs = [self._visit, self._size]
        on(self._candidates.select, self._on_choose, inputs, chosen, with_event=True)
        restored = [
            *chosen, self._snapshot, self._seed, self._lock, self._note, self._move,
            self._candidates, self._first, self._second, *self._attributes,
        ]  # fmt: skip
        on(self._history.select, self._on_history, inputs, restored, with_event=True)
        on(self._upload.upload, self._on_upload, [*inputs, self._upload], restored)
        on(self._snapshot.input, self._on_snapshot, [self._visit, self._snapshot], restored)
        on(self._size.change, self._on_size, inputs, [self._png])
        vary = [self._visit, self._strength, self._count]
        on(self._vary.click, self._on_vary, vary, [self._visit, self._candidates])
        keys = [self._visit, self._first, self._second]
        on(self._set_first.click, self._on_first, [self._visit], keys)
        on(self._set_second.click, self._on_second, [self._visit], keys)
        files = self._morph_files
        on(self._morph.click, self._on_morph, [self._visit, self._frames], list(files))
        sweep = [self._visit, self._move, self._steps]
        on(self._sweep.click, self._on_sweep, sweep, list(self._sweep_files))

    # Answers: each returns the controls that change

    def _on_draw(
        self, visit: Visit, snapshot: str, seed: object, lock: bool, count: object, *values: object
    ) -> Updates:
        return self._draw_with(visit, snapshot, seed if lock else st.new_seed(), count, values)

    def _on_reroll(
        self, visit: Visit, snapshot: str, seed: object, lock: bool, count: object, *values: object
    ) -> Updates:
        if lock:
            raise UserError("the seed is locked: untick it to roll again")
        return self._draw_with(visit, snapshot, st.new_seed(), count, values)

    def _draw_with(
        self, visit: Visit, snapshot: str, seed: object, count: object, values: tuple[object, ...]
    ) -> Updates:
        self._library.painter(snapshot)
        asked = st.settings(self._library.infos[snapshot].vocabulary.names, values)
        shown, files = self._studio.draw(snapshot, asked, seed, count)
        return {
            self._visit: replace(visit, candidates=tuple(shown)),
            self._seed: seed,
            self._candidates: gr.Gallery(value=files, selected_index=None),
            self._note: self._note_text(snapshot, asked),
        }

    def _on_look(self, snapshot: str, *values: object) -> Updates:
        self._library.painter(snapshot)
        asked = st.settings(self._library.infos[snapshot].vocabulary.names, values)
        return {self._note: self._note_text(snapshot, asked)}

    def _on_choose(self, visit: Visit, size: object, event: gr.SelectData) -> Updates:
        return self._choose(visit, pick(visit.candidates, event), size)

    def _choose(self, visit: Visit, shown: st.Shown, size: object) -> Updates:
        visit = st.remember(visit, shown)
        return {
            self._visit: visit,
            self._chosen: self._studio.picture(shown),
            self._caption: html.escape(self._studio.caption(shown)),
            self._png: gr.DownloadButton(value=self._studio.picture(shown, size), interactive=True),
            self._recipe: gr.DownloadButton(value=self._studio.recipe(shown), interactive=True),
            self._history: [self._studio.picture(s) for s in visit.history],
        }

    def _on_history(self, visit: Visit, size: object, event: gr.SelectData) -> Updates:
        return self._restore(visit, pick(visit.history, event), size)

    def _on_upload(self, visit: Visit, size: object, file: object) -> Updates:
        return self._restore(visit, self._studio.read_file(file), size)

    def _restore(self, visit: Visit, shown: st.Shown, size: object) -> Updates:
        """Choose a portrait and set every control to what asks for it."""
        asked = self._studio.attributes_of(shown)
        seed = shown.portrait.seed
        changes = self._switch(visit, shown.snapshot, asked)
        changes |= self._choose(changes[self._visit], shown, size)
        if seed is not None and 0 <= seed <= MOST_SEED:
            changes |= {self._seed: seed, self._lock: True}
        return changes

    def _on_snapshot(self, visit: Visit, snapshot: str) -> Updates:
        self._library.painter(snapshot)
        return self._switch(visit, snapshot, {})

    def _switch(self, visit: Visit, snapshot: str, asked: dict[str, str]) -> Updates:
        """Controls for a snapshot; what another snapshot drew leaves the morph and the grid."""
        changes: Updates = dict(
            zip(self._attributes, self._attribute_updates(snapshot, asked), strict=True)
        )
        changes[self._note] = self._note_text(snapshot, asked)
        changes[self._snapshot] = snapshot
        if all(s.snapshot == snapshot for s in visit.candidates):
            return {**changes, self._visit: visit}
        return {
            **changes,
            self._visit: replace(visit, candidates=(), first=None, second=None),
            self._move: gr.Dropdown(choices=self._move_choices(snapshot), value=""),
            self._candidates: [],
            self._first: None,
            self._second: None,
        }

    def _on_size(self, visit: Visit, size: object) -> Updates:
        if visit.chosen is None:
            return {self._png: gr.skip()}
        return {self._png: self._studio.picture(visit.chosen, size)}

    def _on_vary(self, visit: Visit, strength: object, count: object) -> Updates:
        shown, files = self._studio.variations(visit.chosen, strength, count)
        return {
            self._visit: replace(visit, candidates=tuple(shown)),
            self._candidates: gr.Gallery(value=files, selected_index=None),
        }

    def _on_first(self, visit: Visit) -> Updates:
        shown = st.need(visit.chosen)
        return {
            self._visit: replace(visit, first=shown), self._first: self._studio.picture(shown),
        }  # fmt: skip

    def _on_second(self, visit: Visit) -> Updates:
        shown = st.need(visit.chosen)
        return {
            self._visit: replace(visit, second=shown), self._second: self._studio.picture(shown),
        }  # fmt: skip

    def _on_morph(self, visit: Visit, frames: object) -> Updates:
        return _shown(self._morph_files, self._studio.morph(visit.first, visit.second, frames))

    def _on_sweep(self, visit: Visit, move: object, steps: object) -> Updates:
        return _shown(self._sweep_files, self._studio.sweep(visit.chosen, move, steps))

    # Texts and choices

    def _note_text(self, snapshot: str, asked: dict[str, str]) -> str:
        missing = unseen(self._library.infos[snapshot], asked)
        if not missing:
            return ""
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        listed = html.escape(", ".join(missing[:3]) + more)
        return f'<span class="warn">⚠ Unseen in training: {listed}. It may fail.</span>'

    def _attribute_updates(self, snapshot: str, asked: dict[str, str]) -> list[gr.Dropdown]:
        choices = list(self._library.choices(snapshot).items())
        padding: list[Any] = [None] * (self._slots - len(choices))
        return [
            gr.Dropdown(visible=False, value=RANDOM, choices=[("Random", RANDOM)], render=False)
            if item is None
            else gr.Dropdown(
                choices=item[1],
                value=asked.get(item[0], RANDOM),
                label=item[0].replace("_", " ").capitalize(),
                visible=True,
                render=False,
            )
            for item in itertools.chain(choices, padding)
        ]

    def _move_choices(self, snapshot: str) -> list[tuple[str, str]]:
        names = self._library.infos[snapshot].vocabulary.names
        return [STRONGEST, *((name.replace("_", " "), name) for name in names)]


def on(
    event: Any, handler: Callable[..., Updates], inputs: list[Any], outputs: list[Any],
    *, api_name: str | None = None, with_event: bool = False,
) -> None:  # fmt: skip
    """Wire one event; a handler that takes the event's own data says so by `with_event`."""
    if with_event:
        # Gradio finds the event parameter by its annotation, which a general wrapper hides.
        def guarded(visit: Any, size: Any, data: gr.SelectData) -> Updates:
            with refusals():
                return handler(visit, size, data)
    else:
        guarded = refusing(handler)
    event(
        guarded, inputs, outputs, api_name=api_name,
        api_visibility="public" if api_name else "private",
        show_progress="minimal", trigger_mode="once",
    )  # fmt: skip


def pick(shown: tuple[st.Shown, ...], event: gr.SelectData) -> st.Shown:
    """The one that was clicked. Raises `UserError` when it is no longer there."""
    index = event.index
    if not isinstance(index, int) or not 0 <= index < len(shown):
        raise UserError("that picture is no longer here: draw again")
    return shown[index]


def _attribute(place: int, settings: gr.Dropdown) -> gr.Dropdown:
    settings.elem_id = f"attribute-{place}"
    settings.min_width = 140
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


def _download(label: str, name: str) -> gr.DownloadButton:
    return gr.DownloadButton(label, elem_id=name, interactive=False, min_width=80)


def _animation(name: str) -> tuple[gr.Image, gr.Image, gr.DownloadButton, gr.DownloadButton]:
    with gr.Column(min_width=260):
        gif = gr.Image(
            label="GIF", show_label=False, elem_id=f"{name}-gif", interactive=False, buttons=[], format="gif",
            type="filepath",
        )  # fmt: skip
        strip = gr.Image(
            label="Strip", show_label=False, elem_id=f"{name}-strip", interactive=False, buttons=[], format="png",
            type="filepath",
        )  # fmt: skip
        with gr.Row():
            save_gif = _download("GIF", f"download-{name}-gif")
            save_strip = _download("Strip", f"download-{name}-strip")
    return gif, strip, save_gif, save_strip


def _shown(controls: tuple[Any, ...], files: st.Animation) -> Updates:
    gif, strip, save_gif, save_strip = controls
    return {
        gif: files.gif,
        strip: files.strip,
        save_gif: gr.DownloadButton(value=files.gif, interactive=True),
        save_strip: gr.DownloadButton(value=files.strip, interactive=True),
    }
