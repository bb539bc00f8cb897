// Draws by asking the server that the page came from.

import { toRecipe } from "./recipe.js";

const MOST_AT_ONCE = 64;

async function call(path, body) {
  const sent = body instanceof Blob ? body : JSON.stringify(body);
  const options = body && { method: "POST", body: sent };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer.");
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Error(said.error ?? `The server says ${answer.status}.`);
}

async function inParts(all, work) {
  const found = [];
  for (let at = 0; at < all.length; at += MOST_AT_ONCE) {
    found.push(...(await work(all.slice(at, at + MOST_AT_ONCE))));
  }
  return found;
}

/** The pixels of `count` square pictures below each other in a PNG. */
async function pixelsOf(blob, count) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const side = bitmap.width;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [side, bitmap.height];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(bitmap, 0, 0);
  return Array.from({ length: count }, (_, i) => pen.getImageData(0, i * side, side, side));
}

/** The drawing interface: models, describe, face, draw, enlarged, rank; find, edit. */
export const drawer = {
  /** Names and sizes of what there is, the usual one first. */
  async models() {
    return (await (await call("models")).json()).models;
  },
  /** All that is known of a model. */
  async describe(name) {
    return (await call(`models/${encodeURIComponent(name)}`)).json();
  },
  /** Where a picture of the model's lies. */
  face(name) {
    return `avatar?seed=7&model=${encodeURIComponent(name)}`;
  },
  /** The pixels of portraits, ImageData each. */
  async draw(model, portraits) {
    return inParts(portraits, async (some) => {
      const answer = await call("draw", toRecipe(model, some, 1));
      return pixelsOf(await answer.blob(), some.length);
    });
  },
  /** One portrait with another side, enlarged with detail; null where that cannot be had. */
  async enlarged(model, portrait, pixels, side) {
    if (side <= pixels.width) return null;
    const answer = await call("draw", { ...toRecipe(model, [portrait]), size: side });
    return (await pixelsOf(await answer.blob(), 1))[0];
  },
  /** The recipe of what a model draws most like a picture. */
  async find(model, picture) {
    return (await call(`find?${new URLSearchParams({ model: model.name })}`, picture)).json();
  },
  /** A square picture in other colours, its pixels. */
  async edit(model, picture, asked) {
    const answer = await call(`edit?${new URLSearchParams({ model: model.name, ...asked })}`, picture);
    return (await pixelsOf(await answer.blob(), 1))[0];
  },
  /** [asked attributes read right, score] of each portrait, for best of N. */
  async rank(model, portraits, asked) {
    return inParts(portraits, async (some) => {
      const answer = await call("rank", { ...toRecipe(model, some, 1), asked });
      return (await answer.json()).ranks;
    });
  },
};
