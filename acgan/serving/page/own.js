// A picture of the visitor's own: a square cut out of it, its hair and eyes in other colours.

import { toCanvas } from "./pictures.js";
import { classLabel, readable } from "./portrait.js";

const SHOWN_PX = 320;
const SENT_PX = 512;
const MOST_BYTES = 900_000;
const LEAST_PX = 16;

const $ = (id) => document.getElementById(id);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The picture, the square (left, top, side in its px), and what was sent and found. */
const own = { bitmap: null, square: null, sent: null, found: null, model: null, asked: {}, edited: null };

/** Connects the controls; `on` as in main.js, `modelNow` says which model draws. */
export function setUpOwn({ drawer, on, save, modelNow }) {
  on($("own-file"), "change", async () => {
    const [file] = $("own-file").files;
    $("own-file").value = "";
    if (file) await openOwn(file);
  });
  for (const id of ["own-left", "own-top", "own-side"]) {
    $(id).addEventListener("input", () => {
      const [left, top, side] = ["own-left", "own-top", "own-side"].map((name) => Number($(name).value));
      setSquare(left, top, side);
    });
  }
  $("own-whole").addEventListener("pointerdown", (event) => {
    $("own-whole").setPointerCapture(event.pointerId);
    moveTo(event);
  });
  $("own-whole").addEventListener("pointermove", (event) => event.buttons && moveTo(event));
  on($("own-take"), "click", async () => {
    const model = modelNow();
    $("own-take").disabled = true;
    $("own-take").textContent = "Looking …";
    try {
      const cut = cutSquare();
      own.sent = await blobOf(cut);
      own.found = (await drawer.find(model, own.sent)).pictures[0].attributes;
      [own.model, own.asked, own.edited] = [model, {}, null];
      toCanvas(cut.getContext("2d").getImageData(0, 0, cut.width, cut.height), $("own-before"));
      toCanvas(cut.getContext("2d").getImageData(0, 0, cut.width, cut.height), $("own-after"));
      showChoices(drawer, on);
      $("own-result").hidden = false;
    } finally {
      $("own-take").disabled = false;
      $("own-take").textContent = "Take this face";
    }
  });
  on($("own-save"), "click", async () => {
    save(await new Promise((done) => $("own-after").toBlob(done, "image/png")), "edited.png");
  });
}

/** What the model can change; the part is hidden where that is nothing. */
export function showOwn(drawer, model) {
  $("own-part").hidden = !drawer.edit || !model.edits?.length;
  $("own-result").hidden = own.model !== model;
}

/** Show a file and put the square where a face may be. */
export async function openOwn(file) {
  try {
    own.bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("This is not a picture that the browser can read.");
  }
  const { width, height } = own.bitmap;
  const side = Math.min(width, height);
  if (side < LEAST_PX) throw new Error(`A picture must have ${LEAST_PX} px or more.`);
  $("own-result").hidden = true;
  $("own-cut").hidden = false;
  $("own-part").open = true;
  for (const [id, most] of [["own-left", width - LEAST_PX], ["own-top", height - LEAST_PX], ["own-side", side]]) {
    $(id).max = most;
  }
  setSquare(Math.round((width - side) / 2), 0, side);
}

function setSquare(left, top, side) {
  const { width, height } = own.bitmap;
  side = Math.min(Math.max(side, LEAST_PX), width, height);
  left = Math.min(Math.max(left, 0), width - side);
  top = Math.min(Math.max(top, 0), height - side);
  own.square = [left, top, side];
  [$("own-left").value, $("own-top").value, $("own-side").value] = own.square;
  showWhole();
}

function moveTo(event) {
  const box = $("own-whole").getBoundingClientRect();
  const scale = own.bitmap.width / box.width;
  const side = own.square[2];
  const middle = [event.clientX - box.left, event.clientY - box.top].map((at) => at * scale);
  setSquare(...middle.map((at) => Math.round(at - side / 2)), side);
}

function showWhole() {
  const { width, height } = own.bitmap;
  const scale = Math.min(1, SHOWN_PX / Math.max(width, height));
  const canvas = $("own-whole");
  [canvas.width, canvas.height] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const pen = canvas.getContext("2d");
  pen.drawImage(own.bitmap, 0, 0, canvas.width, canvas.height);
  const [left, top, side] = own.square.map((at) => at * scale);
  pen.fillStyle = "#0009";
  pen.beginPath();
  pen.rect(0, 0, canvas.width, canvas.height);
  pen.rect(left, top, side, side);
  pen.fill("evenodd");
  pen.strokeStyle = "#fff";
  pen.lineWidth = 2;
  pen.strokeRect(left + 1, top + 1, side - 2, side - 2);
}

function cutSquare() {
  const [left, top, side] = own.square;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.min(side, SENT_PX);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.width);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(own.bitmap, left, top, side, side, 0, 0, canvas.width, canvas.width);
  return canvas;
}

async function blobOf(canvas) {
  const as = (type, quality) => new Promise((done) => canvas.toBlob(done, type, quality));
  const png = await as("image/png");
  return png.size <= MOST_BYTES ? png : as("image/jpeg", 0.95);
}

function showChoices(drawer, on) {
  const { model, found } = own;
  $("own-changes").replaceChildren(
    ...model.edits.map((name) => {
      const group = model.attributes.find((g) => g.name === name);
      const seen = group.classes.filter((_, i) => model.class_counts[name]?.[i]);
      const select = document.createElement("select");
      select.id = `own-${name}`;
      select.append(new Option(`as it is (${readable(found[name] ?? "unknown")}?)`, ""));
      select.append(...seen.map((value) => new Option(classLabel(group, value), value)));
      on(select, "change", async () => {
        own.asked[name] = select.value;
        await showEdited(drawer);
      });
      const label = document.createElement("label");
      label.append(capital(readable(name)), select);
      return label;
    }),
  );
}

async function showEdited(drawer) {
  const asked = Object.entries(own.asked).filter(([, value]) => value);
  $("own-after").setAttribute("aria-busy", "true");
  try {
    const pixels = asked.length ? await drawer.edit(own.model, own.sent, Object.fromEntries(asked)) : null;
    const before = $("own-before");
    toCanvas(pixels ?? before.getContext("2d").getImageData(0, 0, before.width, before.height), $("own-after"));
    const words = asked.map(([name, value]) => `${readable(name)} ${readable(value)}`).join(", ");
    $("own-after").ariaLabel = `After: ${words || "as it was"}`;
  } finally {
    $("own-after").removeAttribute("aria-busy");
  }
}
