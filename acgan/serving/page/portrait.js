// What is to be drawn: z and label rows with weights. The same rules as acgan/drawing/request.py and
// acgan/drawing/: what is not asked for is drawn as the training faces have it.

import { latent, normals, words } from "./chance.js";

const UNKNOWN = -1;

/** The label row of picture `index` of a seed; `asked` maps attributes to classes. */
export function labelRow(model, asked, seed, index) {
  const groups = model.attributes;
  const fixed = groups.map((g) => (asked[g.name] ? g.classes.indexOf(asked[g.name]) : UNKNOWN));
  const everyone = model.label_rows.length ? model.label_rows : [groups.map(() => UNKNOWN)];
  const agreement = everyone.map((row) => count(row, (v, a) => fixed[a] >= 0 && v === fixed[a]));
  const table = best(everyone, agreement);
  const known = table.map((row) => -count(row, (v, a) => fixed[a] < 0 && v === UNKNOWN));
  const fullest = best(table, known);
  const chance = words(seed, index, "labels", 1 + groups.length);
  const row = [...fullest[chance[0] % fullest.length]];
  groups.forEach((_, a) => {
    if (fixed[a] >= 0) row[a] = fixed[a];
    else if (row[a] === UNKNOWN) {
      for (const faces of [table, everyone]) {
        const values = faces.map((r) => r[a]).filter((v) => v !== UNKNOWN);
        if (values.length) {
          row[a] = values[chance[1 + a] % values.length];
          break;
        }
      }
    }
  });
  return row;
}

const count = (row, test) => row.reduce((sum, value, place) => sum + (test(value, place) ? 1 : 0), 0);

function best(rows, marks) {
  let most = -Infinity;
  for (const mark of marks) most = Math.max(most, mark);
  return rows.filter((_, place) => marks[place] === most);
}

/** For each of `number` pictures of a seed its candidates, of the same labels. */
export function ask(model, asked, seed, number, bestOf = 1) {
  return Array.from({ length: number }, (_, index) => {
    const row = labelRow(model, asked, seed, index);
    return Array.from({ length: bestOf }, (_, candidate) => ({
      z: latent(model, seed, index, candidate),
      blend: [[1, row]],
      seed,
      index,
      candidate,
      bestOf,
    }));
  });
}

/** The label row that weighs most. */
export const labelsOf = (portrait) => portrait.blend.reduce((a, b) => (b[0] > a[0] ? b : a))[1];

/** The same character with another class of one attribute (its place, the class's place). */
export function moved(portrait, attribute, value) {
  const rows = new Map();
  for (const [weight, row] of portrait.blend) {
    const changed = row.map((v, a) => (a === attribute ? value : v));
    const key = changed.join();
    rows.set(key, [(rows.get(key)?.[0] ?? 0) + weight, changed]);
  }
  return { ...portrait, blend: [...rows.values()] };
}

/** Portraits near one; strength 0 is the same, 1 another face of the same labels. */
export function vary(model, portrait, number, strength, seed) {
  const angle = (strength * Math.PI) / 2;
  const start = toNormal(model, portrait.z);
  return Array.from({ length: number }, (_, index) => {
    const noise = normals(seed, index, "vary", model.z_dim);
    const turned = start.map((value, i) => Math.cos(angle) * value + Math.sin(angle) * noise[i]);
    return { z: fromNormal(model, turned), blend: portrait.blend };
  });
}

/** Between two portraits: latents along the sphere, label rows mixed. */
export function between(model, a, b, t) {
  if (t <= 0 || t >= 1) return t <= 0 ? a : b;
  const z = fromNormal(model, slerp(toNormal(model, a.z), toNormal(model, b.z), t));
  const rows = new Map();
  for (const [share, portrait] of [[1 - t, a], [t, b]]) {
    for (const [weight, row] of portrait.blend) {
      const key = row.join();
      rows.set(key, [(rows.get(key)?.[0] ?? 0) + share * weight, row]);
    }
  }
  return { z, blend: rows.size === 1 ? [[1, labelsOf(a)]] : [...rows.values()] };
}

function slerp(a, b, t) {
  const length = (v) => Math.hypot(...v);
  const [la, lb] = [length(a), length(b)];
  const straight = () => a.map((value, i) => (1 - t) * value + t * b[i]);
  if (!la || !lb) return straight();
  const cosine = a.reduce((sum, value, i) => sum + (value / la) * (b[i] / lb), 0);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  if (Math.sin(angle) < 1e-4) return straight();
  const [wa, wb] = [Math.sin((1 - t) * angle), Math.sin(t * angle)].map((w) => w / Math.sin(angle));
  const scale = (1 - t) * la + t * lb;
  return a.map((value, i) => ((wa * value) / la + (wb * b[i]) / lb) * scale);
}

/** `steps` portraits with an attribute led through classes. */
export function throughClasses(portrait, attribute, classes, steps) {
  const rows = classes.map((value) => moved(portrait, attribute, value).blend);
  return Array.from({ length: steps }, (_, step) => {
    const t = (step * (rows.length - 1)) / (steps - 1);
    const below = Math.min(Math.floor(t), rows.length - 1);
    const share = t - below;
    if (share < 1e-6) return { ...portrait, blend: rows[below] };
    const mixed = [[1 - share, rows[below]], [share, rows[below + 1]]];
    const blend = mixed.flatMap(([s, part]) => part.map(([weight, row]) => [s * weight, row]));
    return { ...portrait, blend };
  });
}

/** `steps` portraits with one latent number led from one end to the other. */
export function throughNumber(model, portrait, number, steps, reach = 3) {
  const [low, high] = model.z_distribution === "uniform" ? [0, 1] : [-reach, reach];
  return Array.from({ length: steps }, (_, step) => {
    const z = portrait.z.slice();
    z[number] = low + ((high - low) * step) / (steps - 1);
    return { z, blend: portrait.blend };
  });
}

// Latents drawn from 0 to 1 go by way of normal ones, where turning keeps them likely.

const toNormal = (model, z) =>
  Array.from(z, (u) =>
    model.z_distribution === "uniform" ? quantile(Math.min(1 - 1e-4, Math.max(1e-4, u))) : u,
  );

const fromNormal = (model, z) =>
  Float32Array.from(z, (x) => (model.z_distribution === "uniform" ? cumulative(x) : x));

/** The normal distribution function, by its series (Marsaglia 2004). */
function cumulative(x) {
  if (Math.abs(x) > 7) return x > 0 ? 1 : 0;
  let sum = x;
  let term = x;
  for (let i = 3; Math.abs(term) > 1e-12 && i < 300; i += 2) sum += term *= (x * x) / i;
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

/** Its inverse, by halving. */
function quantile(p) {
  let [low, high] = [-8, 8];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (cumulative(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Weights over the rows of the label table: per attribute unknown, then its classes. */
export function weightsOf(model, portrait) {
  const starts = [];
  let rows = 0;
  for (const group of model.attributes) {
    starts.push(rows);
    rows += group.classes.length + 1;
  }
  const weights = new Float32Array(rows);
  for (const [weight, row] of portrait.blend) {
    row.forEach((value, a) => (weights[starts[a] + value + 1] += weight));
  }
  return weights;
}

// In words

export const readable = (name) => name.replaceAll("_", " ");

/** A class's name for people: a flag's 1 and 0 are the flag's name and "no" before it. */
export function classLabel(group, value) {
  if (group.kind !== "flag") return readable(value);
  return value === "1" ? readable(group.name) : `no ${readable(group.name)}`;
}

/** A class in words that need no heading: `blue hair`, `green eyes`, `no glasses`. */
export function phrase(group, value) {
  if (group.kind === "flag") return classLabel(group, value);
  const noun = group.name.split("_")[0];
  return `${readable(value)} ${noun === "eye" ? "eyes" : noun}`;
}

/** What a portrait shows, in words. */
export function describe(model, portrait) {
  const row = labelsOf(portrait);
  const words = model.attributes
    .map((group, a) => [group, group.classes[row[a]]])
    .filter(([group, value]) => value !== undefined && !(group.kind === "flag" && value === "0"))
    .map(([group, value]) => phrase(group, value));
  return words.join(", ") || "a face";
}

/** What no training face had: single classes, then pairs of classes, as words. */
export function unseen(model, asked) {
  const never = [];
  const known = [];
  model.attributes.forEach((group, a) => {
    if (!asked[group.name]) return;
    const place = group.classes.indexOf(asked[group.name]);
    const words = phrase(group, asked[group.name]);
    if (!model.class_counts[group.name]?.[place]) never.push(words);
    else known.push([words, a, place]);
  });
  const pairs = [];
  for (let i = 0; i < known.length; i++) {
    for (let j = i + 1; j < known.length; j++) {
      const [[one, a, p], [other, b, q]] = [known[i], known[j]];
      const seen = model.label_rows.some((row) => row[a] === p && row[b] === q);
      if (model.label_rows.length && !seen) pairs.push(`${one} with ${other}`);
    }
  }
  return [...never, ...pairs];
}
