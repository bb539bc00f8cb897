"""The page's look: its own few rules on top of Gradio's theme; no fonts from elsewhere."""

CSS = """
.gradio-container { max-width: min(1180px, 100vw) !important; margin: 0 auto !important; }
#title h1 { font-size: 1.5rem; margin: 0.2rem 0 0; }
#title p { margin: 0.1rem 0 0; opacity: 0.75; }
#attributes { gap: 8px; }
.heading h3 { margin: 0; font-size: 1rem; }
#note { min-height: 0; padding: 0; font-size: 0.9rem; }
#note .warn { color: #b45309; }
.dark #note .warn { color: #fbbf24; }
#chosen img, #candidates img, #history img, #first img, #second img { object-fit: contain; }
#candidates .grid-wrap, #history .grid-wrap { max-height: none; }
#candidates .thumbnail-item, #history .thumbnail-item { border-radius: 8px; }
#candidates .grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
#chosen { aspect-ratio: 1; max-width: 340px; margin: 0 auto; }
#chosen img { width: 100%; height: 100%; }
#caption { text-align: center; font-size: 0.95rem; min-height: 1.4em; }
#sweep-strip img, #morph-strip img { width: 100%; }
.gradio-container img { max-width: 100%; }
#sweep-gif img, #morph-gif img { max-width: 100%; min-height: 160px; object-fit: contain; }
footer { display: none !important; }
@media (max-width: 640px) {
  .gradio-container .main { padding: 12px !important; }
  #chosen { max-width: 260px; }
}
"""
