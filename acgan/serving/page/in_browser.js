// Draws in the browser, by ONNX Runtime's WebAssembly, from the files beside the page.

import * as ort from "./ort/ort.wasm.min.mjs";
import { labelsOf, weightsOf } from "./portrait.js";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more would need headers that file hosts do not send
ort.env.logLevel = "error";

const MOST_AT_ONCE = 16;
const sessions = new Map();

/** A session for a file, made once. */
function session(path) {
  if (!sessions.has(path)) {
    const made = ort.InferenceSession.create(new URL(path, import.meta.url).href, {
      executionProviders: ["wasm"],
    });
    sessions.set(path, made);
    made.catch(() => sessions.delete(path));
  }
  return sessions.get(path);
}

async function json(path) {
  const answer = await fetch(new URL(path, import.meta.url)).catch(() => null);
  if (!answer?.ok) throw new Error(`${path} is missing.`);
  return answer.json();
}

const folder = (model) => `models/${encodeURIComponent(model.name)}`;

/** The pictures of portraits as one uint8 tensor [N,S,S,3]. */
async function run(model, portraits) {
  const net = await session(`${folder(model)}/generator.onnx`);
  const n = portraits.length;
  const z = new Float32Array(n * model.z_dim);
  portraits.forEach((p, i) => z.set(p.z, i * model.z_dim));
  const feeds = { z: new ort.Tensor("float32", z, [n, model.z_dim]) };
  if (net.inputNames.includes("weights")) {
    const rows = portraits.map((p) => weightsOf(model, p));
    const flat = new Float32Array(n * rows[0].length);
    rows.forEach((row, i) => flat.set(row, i * row.length));
    feeds.weights = new ort.Tensor("float32", flat, [n, rows[0].length]);
  }
  return (await net.run(feeds)).pictures;
}

/** Picture `place` of bytes [N,S,S,3]. */
function toPixels(data, place, side) {
  const pixels = new ImageData(side, side);
  for (let at = 0; at < side * side; at++) {
    const from = (place * side * side + at) * 3;
    for (let c = 0; c < 3; c++) pixels.data[at * 4 + c] = data[from + c];
    pixels.data[at * 4 + 3] = 255;
  }
  return pixels;
}

async function inParts(all, work) {
  const found = [];
  for (let at = 0; at < all.length; at += MOST_AT_ONCE) {
    found.push(...(await work(all.slice(at, at + MOST_AT_ONCE))));
    await new Promise((done) => setTimeout(done)); // the page stays alive in between
  }
  return found;
}

/** From [N,S,S,3] to [N,3,S,S], as the networks that choose take it. */
function channelsFirst({ data, dims }) {
  const [n, side] = dims;
  const area = side * side;
  const found = new Uint8Array(data.length);
  for (let i = 0; i < n; i++) {
    for (let at = 0; at < area; at++) {
      for (let c = 0; c < 3; c++) found[(i * 3 + c) * area + at] = data[(i * area + at) * 3 + c];
    }
  }
  return new ort.Tensor("uint8", found, [n, 3, side, side]);
}

/** How the networks beside a model rank pictures, as in acgan/drawing/best_of.py. */
async function rankOf(model, portraits, asked) {
  const pictures = channelsFirst(await run(model, portraits));
  let right = portraits.map(() => 0);
  let scores = null;
  if (model.choosers.includes("reader")) {
    const reader = await session(`${folder(model)}/reader.onnx`);
    const out = await reader.run({ [reader.inputNames[0]]: pictures });
    const found = out.scores.data;
    const width = out.scores.dims[1];
    scores = portraits.map((p, i) =>
      labelsOf(p).reduce((sum, value, a) => {
        const column = model.reader_columns[a][value];
        return value >= 0 && column >= 0 ? sum + found[i * width + column] : sum;
      }, 0),
    );
    const places = asked.map((name) => model.attributes.findIndex((g) => g.name === name));
    right = portraits.map((p, i) =>
      places.filter((a) => {
        const columns = model.reader_columns[a];
        const seen = columns.map((column) => (column >= 0 ? found[i * width + column] : -Infinity));
        return seen.indexOf(Math.max(...seen)) === labelsOf(p)[a];
      }).length,
    );
  }
  if (model.choosers.includes("realness")) {
    const net = await session(`${folder(model)}/realness.onnx`);
    const out = await net.run({ [net.inputNames[0]]: pictures });
    scores = [...out[net.outputNames[0]].data];
  }
  return portraits.map((_, i) => [right[i], scores[i]]);
}

/** The drawing interface, as over_http.js has it, but for own pictures: that needs PyTorch. */
export const drawer = {
  async models() {
    return json("models/models.json");
  },
  async describe(name) {
    return json(`models/${encodeURIComponent(name)}/model.json`);
  },
  face(name) {
    return `models/${encodeURIComponent(name)}/face.png`;
  },
  async draw(model, portraits) {
    const drawn = await inParts(portraits, async (some) => {
      const { data, dims } = await run(model, some);
      const side = dims[1];
      return some.map((_, i) => toPixels(data, i, side));
    });
    if (model.upscaler) session("upscaler.onnx").catch(() => null); // at hand before it is wanted
    return drawn;
  },
  async enlarged(model, portrait, pixels, side) {
    if (side < 1.5 * pixels.width || !model.upscaler) return null;
    const net = await session("upscaler.onnx").catch(() => null);
    if (!net) return null; // it did not arrive: the page enlarges smoothly instead
    const { width } = pixels;
    const rgb = Uint8Array.from(pixels.data.filter((_, i) => i % 4 !== 3));
    const given = new ort.Tensor("uint8", rgb, [1, width, width, 3]);
    const { enlarged } = await net.run({ pictures: given });
    return toPixels(enlarged.data, 0, 2 * width);
  },
  async rank(model, portraits, asked) {
    return inParts(portraits, (some) => rankOf(model, some, asked));
  },
};
