// Recipes: what a picture was drawn from, in its PNG; the same JSON as acgan/drawing/recipe.py.

const SCHEMA_VERSION = 1;
const PNG_KEY = "avatar-recipe";
const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
export const MOST_BYTES = 4 * 2 ** 20;

export function toBase64(z) {
  const view = new DataView(new ArrayBuffer(4 * z.length));
  z.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return btoa(String.fromCharCode(...new Uint8Array(view.buffer)));
}

function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getFloat32(4 * i, true));
}

/** Portraits of a model as a recipe; with columns it is one of a sheet. */
export function toRecipe(model, portraits, columns) {
  const named = (row) =>
    Object.fromEntries(
      model.attributes.map((g, a) => [g.name, g.classes[row[a]]]).filter(([, value]) => value),
    );
  const pictures = portraits.map((p) => ({
    seed: p.seed ?? null,
    index: p.index ?? null,
    ...(p.bestOf > 1 ? { candidate: p.candidate, best_of: p.bestOf } : {}),
    ...(p.blend.length === 1
      ? { attributes: named(p.blend[0][1]) }
      : { blend: p.blend.map(([weight, row]) => ({ weight, attributes: named(row) })) }),
    z: toBase64(p.z),
  }));
  const sheet = columns ? { columns, column_names: [], row_names: [] } : {};
  const about = { snapshot: model.snapshot, snapshot_name: model.snapshot_name };
  return { schema_version: SCHEMA_VERSION, ...about, pictures, ...sheet };
}

/** The first portrait of a recipe, checked. Throws an Error whose message is for people. */
export function fromRecipe(model, recipe) {
  const item = recipe?.pictures?.[0];
  if (typeof item?.z !== "string") throw new Error("This recipe is malformed.");
  let z;
  try {
    z = fromBase64(item.z);
  } catch {
    throw new Error("This recipe is malformed.");
  }
  if (z.length !== model.z_dim || !z.every((value) => Math.abs(value) <= 100)) {
    throw new Error("This recipe's numbers do not fit the model.");
  }
  const parts = item.blend ?? [{ weight: 1, attributes: item.attributes }];
  if (!Array.isArray(parts) || !parts.length || parts.length > 64) {
    throw new Error("This recipe is malformed.");
  }
  const blend = parts.map((part) => [Number(part?.weight), toRow(model, part?.attributes)]);
  const total = blend.reduce((sum, [weight]) => sum + weight, 0);
  if (!blend.every(([weight]) => weight >= 0) || !(Math.abs(total - 1) < 1e-3)) {
    throw new Error("This recipe is malformed.");
  }
  const whole = (value) => (Number.isSafeInteger(value) && value >= 0 ? value : undefined);
  return {
    z,
    blend,
    seed: whole(item.seed),
    index: whole(item.index),
    candidate: whole(item.candidate) ?? 0,
    bestOf: whole(item.best_of) ?? 1,
  };
}

function toRow(model, attributes) {
  const given = Object.entries(attributes ?? {});
  const known = new Map(model.attributes.map((group) => [group.name, group]));
  for (const [name, value] of given) {
    if (!known.get(name)?.classes.includes(value)) {
      throw new Error("This recipe asks for what the model does not know.");
    }
  }
  return model.attributes.map((g) => g.classes.indexOf(attributes?.[g.name] ?? ""));
}

/** The recipe in a file, parsed. Throws an Error whose message is for people. */
export async function readFile(file) {
  if (file.size > MOST_BYTES) throw new Error(`The file is larger than ${MOST_BYTES >> 20} MB.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const isPng = SIGNATURE.every((value, i) => bytes[i] === value);
  const text = isPng ? textOf(bytes) : new TextDecoder().decode(bytes);
  if (isPng && text === null) throw new Error("This PNG carries no recipe.");
  try {
    const recipe = JSON.parse(text);
    if (typeof recipe?.snapshot !== "string") throw new Error();
    if (recipe.schema_version !== SCHEMA_VERSION) throw new Error();
    return recipe;
  } catch {
    throw new Error("This is neither a PNG nor a recipe from here.");
  }
}

/** The recipe's text in a PNG's tEXt chunk, or null. */
function textOf(bytes) {
  const view = new DataView(bytes.buffer);
  const latin1 = new TextDecoder("latin1");
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (latin1.decode(bytes.subarray(at + 4, at + 8)) === "tEXt") {
      const end = data.indexOf(0);
      if (latin1.decode(data.subarray(0, end)) === PNG_KEY) return latin1.decode(data.subarray(end + 1));
    }
    at += 12 + length;
  }
  return null;
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** A PNG's bytes with a recipe put in behind its header. */
export function withRecipe(png, recipe) {
  // Escaped, so that the text is plain ASCII.
  const json = JSON.stringify(recipe).replace(
    /[\u007f-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const body = new TextEncoder().encode(`tEXt${PNG_KEY}\0${json}`);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  let crc = ~0;
  for (const byte of body) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
  view.setUint32(body.length + 4, ~crc);
  const header = 8 + 25;
  return new Blob([png.subarray(0, header), chunk, png.subarray(header)], { type: "image/png" });
}
