"""The page's look: its own few rules on top of Gradio's theme; no fonts from elsewhere."""

# What stands beside the name of a colour, whatever attribute it belongs to.
SWATCHES = {
    "orange": "#f08a3c",
    "white": "#fbfbfb",
    "aqua": "#5fd4d6",
    "gray": "#a3a8b3",
    "green": "#57b560",
    "red": "#d8404a",
    "purple": "#9460c9",
    "pink": "#f497bd",
    "blue": "#4c7fe0",
    "black": "#24242c",
    "brown": "#86573a",
    "blonde": "#f3d276",
    "yellow": "#f2cf43",
}

_RULES = """
.gradio-container { max-width: min(1260px, 100vw) !important; margin: 0 auto !important; }
footer { display: none !important; }
.gradio-container img { max-width: 100%; }
#head { align-items: center; }
#head h1 { font-size: 1.5rem; margin: 0; }
#head p { margin: 0.1rem 0 0; opacity: 0.75; }
#head { flex-wrap: wrap; }
#head > :first-child { flex: 1 1 280px; }
#snapshot { flex: 0 1 300px; }
#note { color: #b45309; font-size: 0.9rem; }
.dark #note { color: #fbbf24; }

/* An attribute: chips with the name, and in small print what is known about it. */
#attributes { gap: 10px; }
#legend * { font-size: 0.78rem; opacity: 0.85; }
.options { padding: 10px 12px 12px !important; }
.options .wrap, #size .wrap { display: grid !important; gap: 6px; }
.options .wrap { grid-template-columns: repeat(auto-fill, minmax(106px, 1fr)); }
.options label, #size label {
  position: relative; display: flex; align-items: center; gap: 7px;
  min-height: 40px; padding: 4px 8px !important;
  border-radius: 10px !important; overflow: hidden;
}
.options label span {
  display: block; margin: 0 !important; white-space: pre-line; line-height: 1.25;
  font-size: 0.68rem; opacity: 0.95;
}
.options label span::first-line { font-size: 0.85rem; font-weight: 600; }
.options input[type=radio], #size input[type=radio] {
  position: absolute; opacity: 0; width: 1px; height: 1px;
}
.options label:has(:focus-visible), #size label:has(:focus-visible) {
  outline: 2px solid var(--color-accent); outline-offset: 1px;
}
#size .wrap { grid-template-columns: repeat(4, 1fr); }
#size label { min-height: 32px; justify-content: center; }
#size label span { margin: 0 !important; }

#candidates .grid-wrap, #history .grid-wrap { max-height: none; overflow: visible; }
#candidates .grid-container {
  grid-template-columns: repeat(4, minmax(0, 1fr)) !important; grid-auto-rows: auto !important;
}
#candidates .thumbnail-item, #history .thumbnail-item {
  border-radius: 10px; aspect-ratio: 1; height: auto; min-height: 0;
}
#candidates .thumbnail-item img, #history .thumbnail-item img { width: 100%; height: 100%; }
#candidates .thumbnail-item:hover, #history .thumbnail-item:hover { transform: scale(1.04); }
#chosen { aspect-ratio: 1; max-width: 320px; margin: 0 auto; border-radius: 14px; }
#chosen img { width: 100%; height: 100%; object-fit: contain; }
#caption { text-align: center; font-size: 0.95rem; min-height: 1.4em; }
#first img, #second img, #history img { object-fit: contain; }
#sweep-strip img, #morph-strip img { width: 100%; }
#sweep-gif img, #morph-gif img { min-height: 160px; object-fit: contain; }

@media (max-width: 640px) {
  .gradio-container .main { padding: 10px !important; }
  #chosen { max-width: 280px; }
  /* Two rows to push sideways, so that options and faces fit on one screen. */
  .options .wrap {
    grid: auto / auto-flow 132px; grid-template-rows: repeat(2, auto); overflow-x: auto;
    padding-bottom: 4px;
  }
  .options { padding: 4px 10px !important; overflow: clip !important; }
  #attributes { gap: 4px; }
  #legend, #head p { display: none; }
  .options .wrap:not(:has(label:nth-of-type(5))) { grid-template-rows: auto; }
}
"""


def swatch_rules() -> str:
    """A dot of its colour before every option that is called like a colour."""
    dot = (
        ".options label:has(input[type=radio])::before { content: none; flex: none; width: 18px; "
        "height: 18px; border-radius: 50%; box-shadow: inset 0 0 0 1px rgb(0 0 0 / 0.18); }\n"
    )
    return dot + "".join(
        f'.options label:has(input[value="{name}"])::before '
        f'{{ content: ""; background: {color}; }}\n'
        for name, color in SWATCHES.items()
    )


CSS = _RULES + swatch_rules()
