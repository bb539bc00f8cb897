// The way from one portrait to another in steps that look equally large (acgan/drawing/path.py).

import { between } from "./portrait.js";

const DENSITY = 4;
const MOST_ROUNDS = 6;
const LOOK_PX = 16;

/** Colours of a coarse raster: fine lines that shift by a pixel count little. */
function coarseLook({ width, data }) {
  const cell = Math.max(1, Math.floor(width / LOOK_PX));
  const side = Math.floor(width / cell);
  const found = new Float32Array(side * side * 3);
  for (let y = 0; y < side * cell; y++) {
    for (let x = 0; x < side * cell; x++) {
      const to = (Math.floor(y / cell) * side + Math.floor(x / cell)) * 3;
      for (let c = 0; c < 3; c++) found[to + c] += data[(y * width + x) * 4 + c] / cell ** 2;
    }
  }
  return found;
}

function distance(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}

/** `frames` portraits from a to b; `draw` gives the pixels of portraits. */
export async function morph(model, a, b, frames, draw) {
  const at = (t) => between(model, a, b, t);
  const look = async (places) => (await draw(places.map(at))).map(coarseLook);
  let places = Array.from({ length: DENSITY * 8 + 1 }, (_, i) => i / (DENSITY * 8));
  let found = await look(places);
  const gapsOf = () => found.slice(1).map((next, i) => distance(found[i], next));
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const gaps = gapsOf();
    const most = Math.max(gaps.reduce((x, y) => x + y, 0) / ((frames * DENSITY) / 2), 1e-9);
    const wide = gaps.flatMap((gap, i) => (gap > most ? [i] : []));
    if (!wide.length || places.length > 2 * DENSITY * frames) break;
    const middles = wide.map((i) => (places[i] + places[i + 1]) / 2);
    const looks = await look(middles);
    const joined = [...places.keys()].map((i) => [places[i], found[i]]);
    joined.push(...middles.map((t, i) => [t, looks[i]]));
    joined.sort(([s], [t]) => s - t);
    [places, found] = [joined.map(([t]) => t), joined.map(([, f]) => f)];
  }
  const lengths = [0];
  for (const gap of gapsOf()) lengths.push(lengths.at(-1) + gap + 1e-9);
  return Array.from({ length: frames }, (_, frame) => {
    const wanted = (lengths.at(-1) * frame) / (frames - 1);
    let i = lengths.findIndex((length) => length >= wanted);
    i = Math.max(1, i < 0 ? lengths.length - 1 : i);
    const share = (wanted - lengths[i - 1]) / (lengths[i] - lengths[i - 1]);
    return at(places[i - 1] + share * (places[i] - places[i - 1]));
  });
}
