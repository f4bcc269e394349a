// The colours of style.css for what is painted: those of the screen, and the light ones, which pictures have.

import { el } from "./dom.js";

const NAMES = ["ground", "raised", "text", "quiet", "line", "accent", "best", "worst", "faded", "running"];
export const STEPS = 24; // shades from the worst to the best

let [screen, light] = [null, null];

function read(node) {
  const style = getComputedStyle(node);
  const colours = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  const [from, to] = [channels(colours.worst), channels(colours.best)];
  colours.shades = Array.from({ length: STEPS }, (_, i) => {
    const mixed = from.map((start, k) => Math.round(start + ((to[k] - start) * i) / (STEPS - 1)));
    return `rgb(${mixed.join(",")})`;
  });
  return colours;
}

// "#aabbcc" or "rgb(1,2,3)" -> [r, g, b]
export function channels(colour) {
  return colour.startsWith("#")
    ? [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16))
    : colour.match(/\d+/g).slice(0, 3).map(Number);
}

export function screenColours() {
  screen ??= read(document.documentElement);
  return screen;
}

export function lightColours() {
  if (!light) {
    const probe = el("div", { dataset: { theme: "light" }, hidden: true });
    document.body.append(probe);
    light = read(probe);
    probe.remove();
  }
  return light;
}

export function shade(colours, good) {
  return colours.shades[Math.max(0, Math.min(STEPS - 1, Math.floor(good * STEPS)))];
}

// Tells the views (event "themechange") that the colours are others: chosen here, or by the system.
export function themeChanged() {
  screen = null;
  window.dispatchEvent(new Event("themechange"));
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);
