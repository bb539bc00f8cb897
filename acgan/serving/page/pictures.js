// Pixels: enlarging, cutting out, PNG, strips, GIF.

import { withRecipe } from "./recipe.js";

export function toCanvas(pixels, canvas = document.createElement("canvas")) {
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

/** A square picture with another side: `pixels` keeps squares, else Lanczos's filter. */
export function resized(pixels, side, by) {
  if (side === pixels.width) return pixels;
  return by === "pixels" ? nearest(pixels, side) : lanczos(pixels, side);
}

function nearest(pixels, side) {
  const found = new ImageData(side, side);
  const [from, to] = [new Uint32Array(pixels.data.buffer), new Uint32Array(found.data.buffer)];
  for (let y = 0; y < side; y++) {
    const row = Math.floor(((y + 0.5) * pixels.height) / side) * pixels.width;
    for (let x = 0; x < side; x++) to[y * side + x] = from[row + Math.floor(((x + 0.5) * pixels.width) / side)];
  }
  return found;
}

function taps(size, side) {
  const scale = size / side;
  const stretch = Math.max(1, scale);
  return Array.from({ length: side }, (_, i) => {
    const middle = (i + 0.5) * scale;
    const [first, last] = [
      Math.max(0, Math.round(middle - 3 * stretch)),
      Math.min(size, Math.round(middle + 3 * stretch)),
    ];
    const found = [];
    let sum = 0;
    for (let at = first; at < last; at++) {
      const x = (at + 0.5 - middle) / stretch;
      const weight = x === 0 ? 1 : Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0;
      found.push([at, weight]);
      sum += weight;
    }
    return found.map(([at, weight]) => [at, weight / sum]);
  });
}

const sinc = (x) => Math.sin(Math.PI * x) / (Math.PI * x);

function lanczos(pixels, side) {
  const size = pixels.width;
  const all = taps(size, side);
  const wide = new Float32Array(side * size * 4);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < side; x++) {
      for (const [at, weight] of all[x]) {
        for (let c = 0; c < 4; c++) wide[(y * side + x) * 4 + c] += weight * pixels.data[(y * size + at) * 4 + c];
      }
    }
  }
  const found = new ImageData(side, side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      for (let c = 0; c < 4; c++) {
        let sum = 0;
        for (const [at, weight] of all[y]) sum += weight * wide[(at * side + x) * 4 + c];
        found.data[(y * side + x) * 4 + c] = Math.round(sum);
      }
    }
  }
  return found;
}

const CUT_NEAR = 18;
const CUT_FAR = 60;

/** The ground made transparent: what is like the corners and joined to the upper edge. */
export function cutOut(pixels) {
  const { width, height, data } = pixels;
  const corners = [0, width - 1].map((x) => [...data.subarray(4 * x, 4 * x + 3)]);
  const distance = (at) =>
    Math.min(...corners.map((c) => Math.hypot(...c.map((value, i) => value - data[4 * at + i]))));
  const alpha = new Uint8ClampedArray(width * height).fill(255);
  const open = [];
  for (let x = 0; x < width; x++) open.push(x);
  for (let y = 0; y < height; y++) open.push(y * width, y * width + width - 1);
  const seen = new Uint8Array(width * height);
  while (open.length) {
    const at = open.pop();
    if (seen[at]) continue;
    seen[at] = 1;
    const far = distance(at);
    if (far >= CUT_FAR) continue;
    alpha[at] = Math.max(0, ((far - CUT_NEAR) / (CUT_FAR - CUT_NEAR)) * 255);
    if (far > CUT_NEAR) continue;
    const [x, y] = [at % width, Math.floor(at / width)];
    if (x > 0) open.push(at - 1);
    if (x < width - 1) open.push(at + 1);
    if (y > 0) open.push(at - width);
    if (y < height - 1) open.push(at + width);
  }
  const found = new ImageData(new Uint8ClampedArray(data), width, height);
  alpha.forEach((value, at) => (found.data[4 * at + 3] = value));
  return found;
}

/** A PNG with its recipe. */
export async function pngOf(pixels, recipe) {
  const blob = await new Promise((done) => toCanvas(pixels).toBlob(done, "image/png"));
  return withRecipe(new Uint8Array(await blob.arrayBuffer()), recipe);
}

/** Pictures beside each other on white. */
export function stripOf(all, gap = 2) {
  const { width, height } = all[0];
  const canvas = document.createElement("canvas");
  canvas.width = all.length * (width + gap) - gap;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  all.forEach((pixels, i) => pen.putImageData(pixels, i * (width + gap), 0));
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

/** An endless GIF89a of pictures of one size. */
export function gifOf(frames, fps) {
  const { width, height } = frames[0];
  const { palette, nearestOf } = quantize(frames);
  const bytes = [];
  const short = (value) => bytes.push(value & 255, value >> 8);
  bytes.push(...[..."GIF89a"].map((c) => c.charCodeAt(0)));
  short(width);
  short(height);
  bytes.push(0xf7, 0, 0, ...palette.flat());
  bytes.push(0x21, 0xff, 11, ...[..."NETSCAPE2.0"].map((c) => c.charCodeAt(0)), 3, 1, 0, 0, 0);
  const parts = [Uint8Array.from(bytes)];
  for (const { data } of frames) {
    const indices = new Uint8Array(width * height);
    for (let at = 0; at < indices.length; at++) {
      indices[at] = nearestOf[key(data[4 * at], data[4 * at + 1], data[4 * at + 2])];
    }
    const size = [width & 255, width >> 8, height & 255, height >> 8];
    const delay = Math.round(100 / fps);
    parts.push(Uint8Array.from([0x21, 0xf9, 4, 4, delay, 0, 0, 0, 0x2c, 0, 0, 0, 0, ...size, 0, 8]));
    parts.push(lzw(indices));
  }
  parts.push(Uint8Array.of(0x3b));
  return new Blob(parts, { type: "image/gif" });
}

const key = (r, g, b) => ((r >> 3) << 10) | ((g >> 3) << 5) | (b >> 3);

/** 256 colours by median cut (Heckbert 1982), and the nearest of them for every 15-bit colour. */
function quantize(frames) {
  const counts = new Uint32Array(32768);
  for (const { data } of frames) {
    for (let at = 0; at < data.length; at += 4) counts[key(data[at], data[at + 1], data[at + 2])]++;
  }
  const channel = [(k) => k >> 10, (k) => (k >> 5) & 31, (k) => k & 31];
  const used = [...counts.keys()].filter((k) => counts[k]);
  const spread = (box) =>
    channel.map((of) => {
      let [low, high] = [32, -1];
      for (const k of box) [low, high] = [Math.min(low, of(k)), Math.max(high, of(k))];
      return high - low;
    });
  const weigh = (box) => {
    const spreads = spread(box);
    const widest = spreads.indexOf(Math.max(...spreads));
    const total = box.reduce((sum, k) => sum + counts[k], 0);
    return { box, widest, worth: spreads[widest] * Math.sqrt(total), total };
  };
  const boxes = [weigh(used)];
  while (boxes.length < 256) {
    boxes.sort((a, b) => a.worth - b.worth);
    if (!boxes.at(-1).worth) break;
    const { box, widest, total } = boxes.pop();
    box.sort((a, b) => channel[widest](a) - channel[widest](b));
    let [sum, cut] = [0, 0];
    while (cut < box.length - 1 && sum < total / 2) sum += counts[box[cut++]];
    boxes.push(weigh(box.slice(0, cut)), weigh(box.slice(cut)));
  }
  const palette = boxes.map(({ box, total }) =>
    channel.map((of) => Math.round((box.reduce((s, k) => s + of(k) * counts[k], 0) / total) * 8 + 3.5)),
  );
  const nearestOf = new Uint8Array(32768);
  boxes.forEach(({ box }, place) => box.forEach((k) => (nearestOf[k] = place)));
  while (palette.length < 256) palette.push([0, 0, 0]);
  return { palette, nearestOf };
}

/** LZW as GIF wants it, from 8-bit indices, in blocks of at most 255 bytes. */
function lzw(indices) {
  const bytes = [];
  let [buffer, bits, size, next] = [0, 0, 9, 258];
  let codes = new Map();
  const put = (code) => {
    buffer |= code << bits;
    bits += size;
    while (bits >= 8) {
      bytes.push(buffer & 255);
      buffer >>>= 8;
      bits -= 8;
    }
  };
  put(256);
  let prefix = indices[0];
  for (let i = 1; i < indices.length; i++) {
    const known = codes.get((prefix << 8) | indices[i]);
    if (known !== undefined) {
      prefix = known;
      continue;
    }
    put(prefix);
    if (next < 4096) {
      if (next === 1 << size) size++;
      codes.set((prefix << 8) | indices[i], next++);
    } else {
      put(256);
      [codes, size, next] = [new Map(), 9, 258];
    }
    prefix = indices[i];
  }
  put(prefix);
  put(257);
  if (bits) bytes.push(buffer & 255);
  const found = [];
  for (let at = 0; at < bytes.length; at += 255) {
    const block = bytes.slice(at, at + 255);
    found.push(block.length, ...block);
  }
  return Uint8Array.from([...found, 0]);
}
