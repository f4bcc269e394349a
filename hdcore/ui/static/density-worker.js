// Paints a crowd of lines: adds up how much of each pixel they cover, and turns the sums into colours. Where thousands of
// lines lie on each other their number still shows, which no painting one over the other does.
"use strict";

let lines = null;
let [sums, tones] = [new Float32Array(0), new Float32Array(0)];
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d");

onmessage = ({ data }) => {
  if (data.lines) {
    lines = data.lines;
    return;
  }
  const { width, height, mask, most, map, shades } = data;
  if (sums.length !== width * height) [sums, tones] = [new Float32Array(width * height), new Float32Array(width * height)];
  else {
    sums.fill(0);
    tones.fill(0);
  }
  add(mask, most, map, width, height);
  [canvas.width, canvas.height] = [width, height];
  context.putImageData(new ImageData(coloured(shades), width, height), 0, 0);
  const bitmap = canvas.transferToImageBitmap();
  postMessage(bitmap, [bitmap]);
};

function add(mask, most, [ax, bx, ay, by], width, height) {
  const { starts, x, y, tone, weight } = lines;
  const all = starts.length - 1;
  const shown = mask === null ? all : mask.reduce((sum, one) => sum + one, 0);
  const stride = Math.max(1, shown / most);
  let [seen, next] = [0, 0];
  for (let i = 0; i < all; i += 1) {
    if (mask !== null && mask[i] === 0) continue;
    seen += 1;
    if (seen <= next) continue;
    next += stride;
    const [heavy, toned] = [weight[i], weight[i] * tone[i]];
    for (let k = starts[i] + 1; k < starts[i + 1]; k += 1) {
      const [x0, y0, x1, y1] = [x[k - 1] * ax + bx, y[k - 1] * ay + by, x[k] * ax + bx, y[k] * ay + by];
      if (Number.isFinite(y0 + y1 + x0 + x1)) segment(x0, y0, x1, y1, heavy, toned, width, height);
    }
  }
}

// One step a pixel along the longer side; each step is shared by the two pixels that the line passes between.
function segment(x0, y0, x1, y1, heavy, toned, width, height) {
  const isSteep = Math.abs(y1 - y0) > Math.abs(x1 - x0);
  let [p0, q0, p1, q1] = isSteep ? [y0, x0, y1, x1] : [x0, y0, x1, y1];
  if (p0 > p1) [p0, q0, p1, q1] = [p1, q1, p0, q0];
  const [most, across] = isSteep ? [height, width] : [width, height];
  const slope = p1 > p0 ? (q1 - q0) / (p1 - p0) : 0;
  const from = Math.max(0, Math.round(p0));
  const to = Math.min(most - 1, Math.max(Math.round(p0), Math.round(p1) - 1)); // the next segment paints its own first pixel
  const [along, aside] = isSteep ? [width, 1] : [1, width];
  let q = q0 + slope * (from - p0);
  for (let p = from; p <= to; p += 1, q += slope) {
    const low = Math.floor(q);
    if (low < 0 || low >= across - 1) continue;
    const share = q - low;
    const at = p * along + low * aside;
    sums[at] += heavy * (1 - share);
    tones[at] += toned * (1 - share);
    sums[at + aside] += heavy * share;
    tones[at + aside] += toned * share;
  }
}

function coloured(shades) {
  // What only one pixel in a hundred goes beyond is the full colour: a few points where all lines meet are no measure.
  const some = sums.filter((sum, i) => i % 5 === 0 && sum >= 0.02).sort();
  const most = some[Math.floor(0.99 * some.length)] ?? 1;
  const steps = shades.length / 3;
  const pixels = new Uint8ClampedArray(4 * sums.length);
  for (let i = 0; i < sums.length; i += 1) {
    const sum = sums[i];
    if (sum < 0.02) continue;
    const shade = 3 * Math.min(steps - 1, Math.floor((tones[i] / sum) * steps));
    pixels[4 * i] = shades[shade];
    pixels[4 * i + 1] = shades[shade + 1];
    pixels[4 * i + 2] = shades[shade + 2];
    pixels[4 * i + 3] = 255 * (0.15 * Math.min(1, sum) + 0.85 * Math.min(1, sum / most) ** 0.45);
  }
  return pixels;
}
