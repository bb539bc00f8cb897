"""The page: its controls, and which part of the studio each of them asks."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any

import gradio as gr

from acgan.make.ask import MOST_SEED
from acgan.serve import studio as st
from acgan.serve.controls import Controls
from acgan.serve.library import unseen
from acgan.serve.studio import Studio, Visit
from manifest.errors import UserError

Updates = dict[Any, Any]

# Snapshots remember some thousand of their training faces' label rows, so a pair that none of
# them has may have been there once or twice.
RARELY = "Never or hardly ever in training"
# On a phone the chosen one is below the grid.
SHOW_CHOSEN = """() => {
  const chosen = document.querySelector("#chosen");
  if (innerWidth < 700) chosen.scrollIntoView({ behavior: "smooth", block: "nearest" });
}"""


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
        self.blocks = gr.Blocks(title="Avatar maker", analytics_enabled=False)
        with self.blocks:
            self._c = Controls(self._library)
            self._wire()

    # Wiring

    def _wire(self) -> None:
        look = [self._c.snapshot, *self._c.attributes]
        ask = [self._c.visit, self._c.seed, self._c.lock, self._c.count, *look]
        drawn = [self._c.visit, self._c.seed, self._c.candidates, self._c.note]
        on(self._c.draw.click, self._on_draw, ask, drawn, api_name="draw")
        on(self._c.seed.submit, self._on_draw, ask, drawn)
        on(self.blocks.load, self._on_draw, ask, drawn)
        on(self._c.reroll.click, self._on_reroll, ask, drawn)
        on(self._c.seed.input, lambda: {self._c.lock: True}, [], [self._c.lock])
        for control in self._c.attributes:
            on(control.input, self._on_draw, ask, drawn, last_counts=True)
        files = [self._c.png, self._c.recipe]
        chosen = [self._c.visit, self._c.chosen, self._c.caption, *files, self._c.history]
        inputs = [self._c.visit, self._c.size]
        on(self._c.candidates.select, self._on_choose, inputs, chosen, with_event=True)
        self._c.candidates.select(None, js=SHOW_CHOSEN)
        restored = [
            *chosen, self._c.snapshot, self._c.seed, self._c.lock, self._c.note, self._c.move,
            self._c.candidates, self._c.first, self._c.second, *self._c.attributes,
        ]  # fmt: skip
        on(self._c.history.select, self._on_history, inputs, restored, with_event=True)
        on(self._c.upload.upload, self._on_upload, [*inputs, self._c.upload], restored)
        on(self._c.snapshot.input, self._on_snapshot, [self._c.visit, self._c.snapshot], restored)
        on(self._c.size.change, self._on_size, inputs, [self._c.png])
        vary = [self._c.visit, self._c.strength, self._c.count]
        on(self._c.vary.click, self._on_vary, vary, [self._c.visit, self._c.candidates])
        keys = [self._c.visit, self._c.first, self._c.second]
        on(self._c.set_first.click, self._on_first, [self._c.visit], keys)
        on(self._c.set_second.click, self._on_second, [self._c.visit], keys)
        files = self._c.morph_files
        on(self._c.morph.click, self._on_morph, [self._c.visit, self._c.frames], list(files))
        sweep = [self._c.visit, self._c.move, self._c.steps]
        on(self._c.sweep.click, self._on_sweep, sweep, list(self._c.sweep_files))

    # Answers: each returns the controls that change

    def _on_draw(
        self, visit: Visit, seed: object, lock: bool, count: object, snapshot: str, *values: object
    ) -> Updates:
        return self._draw_with(visit, snapshot, seed if lock else st.new_seed(), count, values)

    def _on_reroll(
        self, visit: Visit, seed: object, lock: bool, count: object, snapshot: str, *values: object
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
            self._c.visit: replace(visit, candidates=tuple(shown)),
            self._c.seed: seed,
            self._c.candidates: gr.Gallery(value=files, selected_index=None),
            self._c.note: self._note_text(snapshot, asked),
        }

    def _on_choose(self, visit: Visit, size: object, event: gr.SelectData) -> Updates:
        return self._choose(visit, pick(visit.candidates, event), size)

    def _choose(self, visit: Visit, shown: st.Shown, size: object) -> Updates:
        visit = st.remember(visit, shown)
        return {
            self._c.visit: visit,
            self._c.chosen: self._studio.picture(shown),
            self._c.caption: html.escape(self._studio.caption(shown)),
            self._c.png: gr.DownloadButton(
                value=self._studio.picture(shown, size), interactive=True
            ),
            self._c.recipe: gr.DownloadButton(value=self._studio.recipe(shown), interactive=True),
            self._c.history: [self._studio.picture(s) for s in visit.history],
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
        changes |= self._choose(changes[self._c.visit], shown, size)
        changes[self._c.move] = gr.Dropdown(choices=self._c.move_choices(shown.snapshot), value="")
        if seed is not None and 0 <= seed <= MOST_SEED:
            changes |= {self._c.seed: seed, self._c.lock: True}
        return changes

    def _on_snapshot(self, visit: Visit, snapshot: str) -> Updates:
        self._library.painter(snapshot)
        moves = gr.Dropdown(choices=self._c.move_choices(snapshot), value="")
        return {**self._switch(visit, snapshot, {}), self._c.move: moves}

    def _switch(self, visit: Visit, snapshot: str, asked: dict[str, str]) -> Updates:
        """Controls for a snapshot; what another snapshot drew leaves the morph and the grid."""
        changes: Updates = dict(
            zip(self._c.attributes, self._c.attribute_updates(snapshot, asked), strict=True)
        )
        changes[self._c.note] = self._note_text(snapshot, asked)
        changes[self._c.snapshot] = snapshot
        there = [*visit.candidates, *(key for key in (visit.first, visit.second) if key)]
        if all(shown.snapshot == snapshot for shown in there):
            return {**changes, self._c.visit: visit}
        return {
            **changes,
            self._c.visit: replace(visit, candidates=(), first=None, second=None),
            self._c.candidates: [],
            self._c.first: None,
            self._c.second: None,
        }

    def _on_size(self, visit: Visit, size: object) -> Updates:
        if visit.chosen is None:
            return {self._c.png: gr.skip()}
        return {self._c.png: self._studio.picture(visit.chosen, size)}

    def _on_vary(self, visit: Visit, strength: object, count: object) -> Updates:
        shown, files = self._studio.variations(visit.chosen, strength, count)
        return {
            self._c.visit: replace(visit, candidates=tuple(shown)),
            self._c.candidates: gr.Gallery(value=files, selected_index=None),
        }

    def _on_first(self, visit: Visit) -> Updates:
        shown = st.need(visit.chosen)
        picture = self._studio.picture(shown)
        return {self._c.visit: replace(visit, first=shown), self._c.first: picture}

    def _on_second(self, visit: Visit) -> Updates:
        shown = st.need(visit.chosen)
        picture = self._studio.picture(shown)
        return {self._c.visit: replace(visit, second=shown), self._c.second: picture}

    def _on_morph(self, visit: Visit, frames: object) -> Updates:
        return _shown(self._c.morph_files, self._studio.morph(visit.first, visit.second, frames))

    def _on_sweep(self, visit: Visit, move: object, steps: object) -> Updates:
        return _shown(self._c.sweep_files, self._studio.sweep(visit.chosen, move, steps))

    # Texts and choices

    def _note_text(self, snapshot: str, asked: dict[str, str]) -> gr.HTML:
        missing = unseen(self._library.infos[snapshot], asked)
        if not missing:
            return gr.HTML(value="", visible=False)
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        listed = html.escape(", ".join(missing[:3]) + more)
        return gr.HTML(value=f"{RARELY}: {listed}. It may fail.", visible=True)


def on(
    event: Any, handler: Callable[..., Updates], inputs: list[Any], outputs: list[Any],
    *, api_name: str | None = None, with_event: bool = False, last_counts: bool = False,
) -> None:  # fmt: skip
    """Wire one event; a handler that takes the event's own data says so by `with_event`.

    While it is answered further events are left out; with `last_counts` the last one is kept.
    """
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
        show_progress="minimal", trigger_mode="always_last" if last_counts else "once",
    )  # fmt: skip


def pick(shown: tuple[st.Shown, ...], event: gr.SelectData) -> st.Shown:
    """The one that was clicked. Raises `UserError` when it is no longer there."""
    index = event.index
    if not isinstance(index, int) or not 0 <= index < len(shown):
        raise UserError("that picture is no longer here: draw again")
    return shown[index]


def _ready(file: str) -> gr.DownloadButton:
    return gr.DownloadButton(value=file, interactive=True, visible=True)


def _shown(controls: tuple[Any, ...], files: st.Animation) -> Updates:
    gif, strip, save_gif, save_strip = controls
    return {
        gif: gr.Image(value=files.gif, visible=True),
        strip: gr.Image(value=files.strip, visible=True),
        save_gif: _ready(files.gif),
        save_strip: _ready(files.strip),
    }
