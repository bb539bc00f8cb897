// The page: its state, its controls, and what they ask of the drawing interface.

import { MOST_SEED, latent, newSeed, seedOfName } from "./chance.js";
import { morph } from "./morph.js";
import { openOwn, setUpOwn, showOwn } from "./own.js";
import { cutOut, gifOf, pngOf, resized, stripOf, toCanvas } from "./pictures.js";
import {
  ask, classLabel, describe, labelRow, labelsOf, moved, readable, throughClasses, throughNumber, unseen, vary,
} from "./portrait.js";
import { fromRecipe, readFile, toRecipe } from "./recipe.js";

const { drawer } = await import(`./${document.documentElement.dataset.draws}.js`);

const ALWAYS_SHOWN = 3;
const MOST_KEPT = 48;
const FILM_PX = 256;
const FPS = 16;
const FACTORS = [1, 2, 4, 8];
const STORE = "avatars";
const SWATCHES = {
  orange: "#f0873a", white: "#f4f4f4", aqua: "#5fd0d8", gray: "#9a9ca3", green: "#55a861", red: "#d0413f",
  purple: "#8f5cc2", pink: "#f29ec0", blue: "#4a78d8", black: "#23232a", brown: "#7a4f33", blonde: "#efd27a",
  yellow: "#e8c93b", silver: "#c6c9d2", grey: "#9a9ca3",
};

const $ = (id) => document.getElementById(id);
const make = (tag, settings = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), settings);
  element.append(...children);
  return element;
};

/** What is on the page. A shown face is { model, portrait }. */
const state = { names: [], model: null, asked: {}, candidates: [], chosen: null, first: null, second: null, history: [], kept: [] };
const models = new Map();

// Words to the visitor

let hiding;
function say(text) {
  $("message").textContent = text;
  $("message").hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => ($("message").hidden = true), 6000);
}

/** An event handler whose mistakes become a message; one at a time, and the last one counts. */
function on(element, event, handler) {
  let running = false;
  let again = null;
  element.addEventListener(event, async (given) => {
    if (event === "submit") given.preventDefault();
    if (running) {
      again = given;
      return;
    }
    running = true;
    try {
      for (let current = given; current; current = again) {
        again = null;
        await handler(current);
        if (!again) break;
      }
    } catch (error) {
      say(error.message || "That did not work.");
    } finally {
      running = false;
    }
  });
}

// Models

async function modelOf(name) {
  if (!models.has(name)) {
    const told = await drawer.describe(name);
    models.set(name, { ...told, name });
  }
  return models.get(name);
}

async function useModel(name, asked = {}) {
  const model = await modelOf(name);
  const known = (group) => (group.classes.includes(asked[group.name]) ? asked[group.name] : "");
  const other = state.model !== model;
  state.model = model;
  state.asked = Object.fromEntries(model.attributes.map((group) => [group.name, known(group)]));
  showWishes();
  if (!other) return;
  for (const input of document.querySelectorAll("#models input")) input.checked = input.value === name;
  if (state.chosen && state.chosen.model !== model) {
    [state.chosen, state.first, state.second] = [null, null, null];
    await showChosen();
  }
  showKeys();
  $("best-of-label").hidden = model.best_of === 1;
  $("best-of").value = model.best_of;
  const sizes = FACTORS.map((n) => n * model.image_size);
  $("size").replaceChildren(...sizes.map((px) => new Option(`${px} px`, px)));
  $("size").value = sizes.find((px) => px >= 256) ?? sizes.at(-1);
  const places = ["most", "second most", "third most"];
  $("move").replaceChildren(
    ...model.attributes.map((g) => new Option(capital(readable(g.name)), g.name)),
    ...places.map((words, i) => new Option(`The face: what changes it ${words}`, `#${i}`)),
  );
  $("licence").textContent = model.about;
  $("about").hidden = !model.about;
  showOwn(drawer, model);
  showKept();
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function showModels(all) {
  $("models").hidden = all.length < 2;
  $("models").replaceChildren(
    ...all.map(({ name, image_size, attributes }) => {
      const input = make("input", { type: "radio", name: "model", value: name });
      on(input, "change", async () => {
        await useModel(name, state.asked);
        await drawCandidates();
      });
      const known = Object.keys(attributes).length;
      const told = `${image_size} px · ${known} feature${known === 1 ? "" : "s"}`;
      const face = make("img", { src: drawer.face(name), alt: "", loading: "lazy" });
      return make("label", {}, input, make("span", {}, face, make("b", { textContent: name }), make("small", { textContent: told })));
    }),
  );
}

// Wishes

function showWishes() {
  const fields = state.model.attributes.map(fieldOf);
  $("common").replaceChildren(...fields.slice(0, ALWAYS_SHOWN));
  $("rest").replaceChildren(...fields.slice(ALWAYS_SHOWN));
  for (const chips of document.querySelectorAll("#wishes .chips")) {
    const chip = chips.querySelector(":checked").parentElement; // in a row wider than a phone
    chips.scrollLeft = chip.offsetLeft + chip.offsetWidth / 2 - chips.clientWidth / 2;
  }
  $("more").hidden = fields.length <= ALWAYS_SHOWN;
  const scored = Object.values(state.model.accuracy).some((shares) => Object.keys(shares).length);
  $("legend").textContent = scored
    ? "Under each: how many training faces had it · how often it shows when asked for."
    : "Under each: how many training faces had it. This model has not been scored.";
  showNote();
}

function fieldOf(group) {
  const values = group.kind === "flag" ? ["1", "0"] : group.classes;
  const chips = ["", ...values].map((value) => chipOf(group, value));
  const legend = make("legend", { textContent: capital(readable(group.name)) });
  return make("fieldset", { id: `wish-${group.name}` }, legend, make("div", { className: "chips" }, ...chips));
}

function chipOf(group, value) {
  const input = make("input", { type: "radio", name: group.name, value, checked: state.asked[group.name] === value });
  on(input, "change", async () => {
    state.asked[group.name] = value;
    showNote();
    await drawCandidates($("lock").checked ? seedGiven() : newSeed());
  });
  const text = make("span", {});
  if (SWATCHES[value] && group.kind !== "flag") {
    const dot = make("i", { ariaHidden: "true" });
    dot.style.background = SWATCHES[value];
    text.append(dot);
  }
  text.append(value === "" ? "any" : group.kind === "flag" ? (value === "1" ? "yes" : "no") : readable(value));
  const chip = make("label", { className: "chip" }, input, text);
  if (value === "") {
    chip.title = "As the training faces have it";
    text.append(make("small", { textContent: "as in training" }));
    return chip;
  }
  const faces = state.model.class_counts[group.name]?.[group.classes.indexOf(value)] ?? 0;
  const share = state.model.accuracy[group.name]?.[value];
  const seen = faces ? `${faces.toLocaleString("en")} face${faces === 1 ? "" : "s"}` : "never seen";
  text.append(make("small", { textContent: seen + (share === undefined ? "" : ` · ${Math.round(share * 100)}%`) }));
  chip.classList.toggle("never", !faces);
  if (!faces) chip.title = "No training face had it: it may fail";
  return chip;
}

function showNote() {
  const missing = unseen(state.model, state.asked);
  const more = missing.length > 3 ? ` and ${missing.length - 3} more` : "";
  const words = `Never or hardly ever in training: ${missing.slice(0, 3).join(", ")}${more}. It may fail.`;
  $("note").textContent = missing.length ? words : "";
  $("note").hidden = !missing.length;
}

function seedGiven() {
  const seed = Number($("seed").value);
  if (!Number.isSafeInteger(seed) || seed < 0 || seed > MOST_SEED || $("seed").value === "") {
    throw new Error(`A seed is a whole number from 0 to ${MOST_SEED}.`);
  }
  return seed;
}

// Candidates

async function drawCandidates(seed = seedGiven(), number = Number($("count").value)) {
  const { model } = state;
  $("seed").value = seed;
  busy(true);
  try {
    const bestOf = Number($("best-of").value);
    if (!state.candidates.length) {
      // Something to see while the others are drawn.
      const first = await bestCandidates(model, state.asked, seed, 1, bestOf);
      showCandidates(model, first, await drawer.draw(model, first));
      performance.mark("first-face");
      busy(true);
    }
    const portraits = await bestCandidates(model, state.asked, seed, number, bestOf);
    const pictures = await drawer.draw(model, portraits);
    if (model === state.model) showCandidates(model, portraits, pictures);
  } finally {
    busy(false);
  }
}

async function bestCandidates(model, asked, seed, number, bestOf) {
  const all = ask(model, asked, seed, number, bestOf);
  if (bestOf === 1) return all.flat();
  const named = Object.keys(asked).filter((name) => asked[name]);
  const ranks = await drawer.rank(model, all.flat(), named);
  return all.map((same, index) => {
    const marks = ranks.slice(index * bestOf, (index + 1) * bestOf);
    const better = (a, b) => a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);
    return same[marks.reduce((top, mark, i) => (better(mark, marks[top]) ? i : top), 0)];
  });
}

const busy = (is) => $("candidates").setAttribute("aria-busy", is);

function showCandidates(model, portraits, pictures) {
  state.candidates = portraits.map((portrait) => ({ model, portrait }));
  $("candidates").replaceChildren(...state.candidates.map((shown, i) => faceButton(shown, pictures[i])));
  busy(false);
}

/** A button that shows a face and chooses it. */
function faceButton(shown, pixels, after) {
  const words = describe(shown.model, shown.portrait);
  const canvas = toCanvas(pixels);
  const button = make("button", { type: "button", title: words, ariaLabel: words, ariaPressed: "false" }, canvas);
  button.shown = shown;
  on(button, "click", async () => {
    await choose(shown, pixels);
    await after?.(shown);
    showOnPhone();
  });
  return button;
}

/** Where the chosen face lies below the grid, bring it into view. */
function showOnPhone() {
  if (innerWidth < 672) $("chosen-part").scrollIntoView({ block: "nearest" });
}

$("candidates").addEventListener("keydown", (event) => {
  const faces = [...$("candidates").children];
  const at = faces.indexOf(document.activeElement);
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 4, ArrowUp: -4 }[event.key];
  if (at < 0 || !step) return;
  event.preventDefault();
  faces[at + step]?.focus();
});

// The chosen face

async function choose(shown, pixels) {
  if (shown.model !== state.model) await useModel(shown.model.name, askedOf(shown));
  const drawn = pixels ?? (await drawer.draw(shown.model, [shown.portrait]))[0];
  state.chosen = { ...shown, pixels: drawn };
  state.history = [state.chosen, ...state.history.filter((s) => s.portrait !== shown.portrait)].slice(0, MOST_KEPT);
  await showChosen();
  showHistory();
}

function askedOf({ model, portrait }) {
  const row = labelsOf(portrait);
  return Object.fromEntries(model.attributes.map((g, a) => [g.name, g.classes[row[a]] ?? ""]));
}

/** The chosen face as it would be saved. */
async function chosenPicture() {
  const { model, portrait, pixels } = state.chosen;
  const side = Number($("size").value);
  const by = $("by").value;
  const detailed = by === "detail" ? await drawer.enlarged(model, portrait, pixels, side) : null;
  const sized = resized(detailed ?? pixels, side, by);
  return $("cut").checked ? cutOut(sized) : sized;
}

async function showChosen() {
  const { chosen } = state;
  $("actions").hidden = !chosen;
  if (!chosen) {
    $("chosen").getContext("2d").clearRect(0, 0, $("chosen").width, $("chosen").height);
    $("chosen").ariaLabel = "No face chosen yet";
    $("caption").textContent = "Take a face from the grid.";
  } else {
    const picture = await chosenPicture();
    if (chosen !== state.chosen) return; // another one was chosen in the meantime
    toCanvas(picture, $("chosen"));
    $("chosen").classList.toggle("cut", $("cut").checked);
    const words = describe(chosen.model, chosen.portrait);
    const { seed, bestOf } = chosen.portrait;
    $("chosen").ariaLabel = words;
    $("caption").textContent = (chosen.name ? `${chosen.name}: ` : "") + words + (seed === undefined ? "" : ` · seed ${seed}`) + (bestOf > 1 ? ` · best of ${bestOf}` : "");
    showChanges();
    showFavourite();
    history.replaceState(null, "", linkOf(chosen));
  }
  for (const button of $("candidates").children) {
    button.ariaPressed = String(button.shown?.portrait === chosen?.portrait);
  }
}

function showChanges() {
  const { model, portrait } = state.chosen;
  const row = labelsOf(portrait);
  $("changes").replaceChildren(
    ...model.attributes.map((group, a) => {
      const options = group.classes.map((value, i) => new Option(classLabel(group, value), i, false, i === row[a]));
      if (row[a] < 0) options.unshift(new Option("unknown", -1, true, true));
      const select = make("select", { id: `change-${group.name}` }, ...options);
      on(select, "change", async () => {
        await choose({ model, portrait: moved(portrait, a, Number(select.value)) });
        $(`change-${group.name}`).focus();
      });
      return make("label", {}, capital(readable(group.name)), select);
    }),
  );
}

// Links: the whole portrait, in as few characters as it takes

function linkOf({ model, portrait }) {
  const link = new URLSearchParams({ model: model.name });
  const { seed, index, candidate, blend } = portrait;
  const plain = blend.length === 1 && seed !== undefined && index !== undefined;
  const same = plain && latent(model, seed, index, candidate).every((value, i) => value === portrait.z[i]);
  if (same) {
    Object.entries({ seed, index, candidate }).forEach(([k, v]) => v !== 0 && link.set(k, v));
    if (seed === 0) link.set("seed", 0);
    Object.entries(askedOf({ model, portrait })).forEach(([k, v]) => v && link.set(k, v));
  } else {
    link.set("recipe", JSON.stringify(toRecipe(model, [portrait]).pictures[0]));
  }
  return `#${link}`;
}

/** The face that a link asks for, or null. */
async function readLink(text) {
  const link = new URLSearchParams(text.replace(/^#/, ""));
  const name = link.get("model");
  if (!state.names.includes(name)) return null;
  const model = await modelOf(name);
  if (link.has("recipe")) {
    return { model, portrait: fromRecipe(model, { pictures: [JSON.parse(link.get("recipe"))] }) };
  }
  const number = (key) => Number(link.get(key) ?? 0);
  const [seed, index, candidate] = ["seed", "index", "candidate"].map(number);
  if (!link.has("seed") || ![seed, index, candidate].every((n) => Number.isSafeInteger(n) && n >= 0)) return null;
  const asked = Object.fromEntries(
    model.attributes.map((g) => [g.name, g.classes.includes(link.get(g.name)) ? link.get(g.name) : ""]),
  );
  const row = labelRow(model, asked, seed, index);
  const bestOf = candidate ? candidate + 1 : 1;
  return { model, portrait: { z: latent(model, seed, index, candidate), blend: [[1, row]], seed, index, candidate, bestOf } };
}

// Saving

function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A file name without ending: the name that was asked for, or the seed and the place in its grid. */
function stem({ name, portrait: { seed, index } }) {
  const safe = name?.normalize("NFC").replace(/[^\p{L}\p{N}_-]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60);
  return safe || ["avatar", seed, index].filter((part) => part !== undefined).join("-");
}

// Kept and seen faces

function readKept() {
  try {
    const found = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(found) ? found.slice(0, MOST_KEPT) : [];
  } catch {
    return [];
  }
}

function writeKept() {
  try {
    localStorage.setItem(STORE, JSON.stringify(state.kept));
  } catch {
    say("This browser does not let the page keep faces.");
  }
}

const recipeOf = ({ model, portrait }) => toRecipe(model, [portrait]);
/** What tells two recipes apart: the model, z, and the classes. */
const keyOf = ({ snapshot, pictures }) => {
  const { z, attributes, blend } = pictures?.[0] ?? {};
  return JSON.stringify([snapshot, z, attributes, blend]);
};
const isKept = (shown) => state.kept.findIndex((recipe) => keyOf(recipe) === keyOf(recipeOf(shown)));

function showFavourite() {
  const kept = isKept(state.chosen) >= 0;
  $("favourite").ariaPressed = String(kept);
  $("favourite").textContent = kept ? "★ Kept" : "☆ Keep";
}

async function showKept() {
  const { model } = state;
  const mine = state.kept.filter((recipe) => recipe.snapshot === model.snapshot);
  const shown = mine.flatMap((recipe) => {
    try {
      return [{ model, portrait: fromRecipe(model, recipe) }];
    } catch {
      return [];
    }
  });
  const pictures = shown.length && $("kept-part").open ? await drawer.draw(model, shown.map((s) => s.portrait)) : [];
  $("favourites").replaceChildren(...pictures.map((pixels, i) => faceButton(shown[i], pixels, bringBack)));
}

function showHistory() {
  $("history").replaceChildren(...state.history.map((shown) => faceButton(shown, shown.pixels, bringBack)));
}

/** Choose a face and set every control to what asks for it. */
async function bringBack(shown) {
  await useModel(shown.model.name, askedOf(shown));
  if (shown.portrait.seed !== undefined) {
    $("seed").value = shown.portrait.seed;
    $("lock").checked = true;
  }
}

async function restore(file) {
  const recipe = await readFile(file);
  for (const name of state.names) {
    const model = await modelOf(name);
    if (model.snapshot !== recipe.snapshot) continue;
    const shown = { model, portrait: fromRecipe(model, recipe) };
    await bringBack(shown);
    await choose(shown);
    await drawCandidates(shown.portrait.seed ?? newSeed());
    return;
  }
  throw new Error("This was drawn by a model that is not here.");
}

// Films

function showKeys() {
  for (const [id, shown, name] of [["first", state.first, "A"], ["second", state.second, "B"]]) {
    const canvas = $(id);
    if (shown) toCanvas(shown.pixels, canvas);
    else [canvas.width, canvas.height] = [1, 1];
    canvas.ariaLabel = `${name}: ${shown ? describe(shown.model, shown.portrait) : "nobody yet"}`;
  }
}

const films = new Map();

/** Plays pictures there and back, with a slider, a GIF and a strip to save. */
async function showFilm(id, name, model, portraits) {
  const pictures = (await drawer.draw(model, portraits)).map((p) => resized(p, Math.max(FILM_PX, p.width)));
  const home = $(id);
  const canvas = toCanvas(pictures[0]);
  canvas.role = "img";
  canvas.ariaLabel = `${name}, ${pictures.length} pictures`;
  const slider = make("input", { type: "range", min: 0, max: pictures.length - 1, value: 0, ariaLabel: "Which picture" });
  const gif = make("button", { textContent: "Save GIF", className: "gif" });
  const strip = make("button", { textContent: "Save strip", className: "strip" });
  const stop = make("button", { textContent: "Pause", className: "stop" });
  clearInterval(films.get(id));
  let [at, step] = [0, 1];
  const show = () => {
    toCanvas(pictures[at], canvas);
    slider.value = at;
  };
  const play = () => {
    stop.textContent = "Pause";
    films.set(id, setInterval(() => {
      if (at + step < 0 || at + step >= pictures.length) step = -step;
      at += step;
      show();
    }, 1000 / FPS));
  };
  const pause = () => {
    stop.textContent = "Play";
    clearInterval(films.get(id));
    films.delete(id);
  };
  slider.addEventListener("input", () => {
    pause();
    at = Number(slider.value);
    show();
  });
  stop.addEventListener("click", () => (films.has(id) ? pause() : play()));
  on(gif, "click", async () => save(gifOf([...pictures, ...pictures.slice(1, -1).reverse()], FPS), `${name}.gif`));
  on(strip, "click", async () => {
    const number = Math.min(8, portraits.length);
    const places = Array.from({ length: number }, (_, i) => Math.round((i * (portraits.length - 1)) / (number - 1)));
    const some = await drawer.draw(model, places.map((i) => portraits[i]));
    save(await pngOf(stripOf(some), toRecipe(model, places.map((i) => portraits[i]), number)), `${name}.png`);
  });
  home.replaceChildren(canvas, slider, make("div", { className: "line" }, stop, gif, strip));
  home.hidden = false;
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) pause();
  else play();
}

/** Latent numbers by how much they change a face, the strongest first. */
async function strongest(model, portrait) {
  const ends = Array.from({ length: model.z_dim }, (_, n) => throughNumber(model, portrait, n, 2, 2)).flat();
  const pictures = await drawer.draw(model, ends);
  const change = (n) => {
    const [a, b] = [pictures[2 * n].data, pictures[2 * n + 1].data];
    return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0);
  };
  const changes = Array.from({ length: model.z_dim }, (_, n) => [change(n), n]);
  return changes.sort(([a], [b]) => b - a).map(([, n]) => n);
}

const need = () => {
  if (!state.chosen) throw new Error("Take a face from the grid first.");
  return state.chosen;
};

// What the controls do

on($("reroll"), "click", () => drawCandidates(newSeed()));
on($("seed"), "change", () => drawCandidates());
on($("count"), "change", () => drawCandidates());
on($("best-of"), "change", () => drawCandidates());
$("numbers").addEventListener("change", () => {
  $("wishes").classList.toggle("with-numbers", $("numbers").checked);
  $("legend").hidden = !$("numbers").checked;
});
on($("by-name"), "submit", async () => {
  const name = $("name").value.trim();
  const { model } = state;
  // As drawn, whatever the grid takes: a name has one face, here and over HTTP and in Python.
  const [portrait] = ask(model, state.asked, seedOfName(name), 1, 1).flat();
  await choose({ model, portrait, name });
  showOnPhone();
});
for (const id of ["size", "by", "cut"]) on($(id), "change", () => state.chosen && showChosen());
on($("png"), "click", async () => {
  const shown = need();
  save(await pngOf(await chosenPicture(), recipeOf(shown)), `${stem(shown)}.png`);
});
on($("recipe"), "click", () => {
  const shown = need();
  const text = JSON.stringify(recipeOf(shown), null, 2);
  save(new Blob([text], { type: "application/json" }), `${stem(shown)}-recipe.json`);
});
on($("share"), "click", async () => {
  const link = new URL(linkOf(need()), location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    say("The link is copied.");
  } catch {
    say("The link is in the address bar.");
  }
});
on($("favourite"), "click", async () => {
  const place = isKept(need());
  if (place >= 0) state.kept.splice(place, 1);
  else state.kept = [recipeOf(state.chosen), ...state.kept].slice(0, MOST_KEPT);
  writeKept();
  showFavourite();
  await showKept();
});
on($("vary"), "click", async () => {
  const { model, portrait } = need();
  const number = Number($("count").value) - 1;
  const portraits = [portrait, ...vary(model, portrait, number, Number($("strength").value), newSeed())];
  busy(true);
  try {
    showCandidates(model, portraits, await drawer.draw(model, portraits));
  } finally {
    busy(false);
  }
  await showChosen();
});
for (const [button, key] of [["set-first", "first"], ["set-second", "second"]]) {
  on($(button), "click", () => {
    state[key] = need();
    $("morph-part").open = true;
    showKeys();
  });
}
on($("morph"), "click", async () => {
  const { first, second, model } = state;
  if (!first || !second) throw new Error("Choose two faces first: Use as A, Use as B.");
  const draw = (portraits) => drawer.draw(model, portraits);
  const path = await morph(model, first.portrait, second.portrait, Number($("frames").value), draw);
  await showFilm("morph-film", "morph", model, path);
});
on($("sweep"), "click", async () => {
  const { model, portrait } = need();
  const what = $("move").value;
  const steps = Number($("steps").value);
  const place = model.attributes.findIndex((group) => group.name === what);
  if (place < 0) {
    const number = (await strongest(model, portrait))[Number(what.slice(1))];
    await showFilm("sweep-film", "sweep", model, throughNumber(model, portrait, number, steps));
    return;
  }
  const { name, classes } = model.attributes[place];
  const seen = classes.map((_, i) => i).filter((i) => model.class_counts[name]?.[i]);
  const through = seen.length > 1 ? seen : classes.map((_, i) => i);
  await showFilm("sweep-film", "sweep", model, throughClasses(portrait, place, through, steps));
});
on($("kept-part"), "toggle", showKept);
on($("upload"), "change", async () => {
  const [file] = $("upload").files;
  $("upload").value = "";
  if (file) await restore(file);
});
addEventListener("dragover", (event) => event.preventDefault());
on(window, "drop", async (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer?.files ?? [];
  if (!file) return;
  const ours = await readFile(file).then(() => true, () => false);
  await (ours || $("own-part").hidden ? restore(file) : openOwn(file));
});

setUpOwn({ drawer, on, save, modelNow: () => state.model });

// The beginning

async function start() {
  const all = await drawer.models();
  state.names = all.map(({ name }) => name);
  state.kept = readKept();
  showModels(all);
  const linked = await readLink(location.hash).catch(() => null);
  const link = linked && { ...linked };
  await useModel(link?.model.name ?? state.names[0], link ? askedOf(link) : {});
  document.querySelector(`#models input[value="${CSS.escape(state.model.name)}"]`).checked = true;
  await drawCandidates(link?.portrait.seed ?? newSeed());
  if (link) await choose(link);
  performance.mark("ready");
  document.documentElement.dataset.ready = "yes";
}

start().catch((error) => say(error.message || "The page could not start."));
