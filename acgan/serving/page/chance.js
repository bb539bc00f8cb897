// Random numbers that anyone can compute: SHA-256 in counter mode, as acgan/drawing/chance.py.
// Browsers' own SHA-256 is there on https and localhost only, a file host may be neither.

const K = new Uint32Array(64);
const START = new Uint32Array(8);
{
  // Fractional parts of the cube and square roots of the first primes (FIPS 180-4).
  const fraction = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32);
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  primes.forEach((p, i) => (K[i] = fraction(Math.cbrt(p))));
  primes.slice(0, 8).forEach((p, i) => (START[i] = fraction(Math.sqrt(p))));
}

const rotate = (x, n) => (x >>> n) | (x << (32 - n));

/** SHA-256 of bytes: eight numbers of 32 bits. */
export function sha256(bytes) {
  const length = bytes.length;
  const data = new Uint8Array(((length + 8) >> 6) * 64 + 64);
  data.set(bytes);
  data[length] = 0x80;
  const view = new DataView(data.buffer);
  view.setUint32(data.length - 8, Math.floor(length / 2 ** 29));
  view.setUint32(data.length - 4, length << 3);
  const state = START.slice();
  const w = new Uint32Array(64);
  for (let at = 0; at < data.length; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
      const b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
      w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => (state[i] += value));
  }
  return state;
}

const utf8 = new TextEncoder();

/** The first `count` numbers of a stream, 0 to 2^32 - 1. */
export function words(seed, index, what, count) {
  const found = [];
  for (let n = 0; found.length < count; n++) {
    found.push(...sha256(utf8.encode(`${seed}/${index}/${what}/${n}`)));
  }
  return found.slice(0, count);
}

export function uniforms(seed, index, what, count) {
  return words(seed, index, what, count).map((word) => (word + 0.5) / 2 ** 32);
}

export function normals(seed, index, what, count) {
  const flat = uniforms(seed, index, what, count + (count % 2));
  const found = [];
  for (let i = 0; i < flat.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(flat[i]));
    const angle = 2 * Math.PI * flat[i + 1];
    found.push(radius * Math.cos(angle), radius * Math.sin(angle));
  }
  return found.slice(0, count);
}

/** z of a picture of a seed; candidates after the first are what best-of-N looks at. */
export function latent(model, seed, index, candidate = 0) {
  const draw = model.z_distribution === "uniform" ? uniforms : normals;
  return Float32Array.from(draw(seed, index, candidate ? `z${candidate}` : "z", model.z_dim));
}

export const MOST_NAME_BYTES = 1024;

/** The seed of a name: the first 53 bits of SHA-256 of its NFC form. */
export function seedOfName(name) {
  const bytes = utf8.encode(name.normalize("NFC"));
  if (!bytes.length) throw new Error("Write a name first.");
  if (bytes.length > MOST_NAME_BYTES) throw new Error(`A name may have ${MOST_NAME_BYTES} bytes.`);
  const [high, low] = sha256(bytes);
  return high * 2 ** 21 + (low >>> 11);
}

export const MOST_SEED = 2 ** 53 - 1;
export const newSeed = () => Math.floor(Math.random() * 1e6);
