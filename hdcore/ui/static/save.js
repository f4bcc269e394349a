// Saving a plot as a picture: painted anew in light colours and one size, whatever the screen is.

import { download, el } from "./dom.js";
import { lightColours } from "./palette.js";
import { SvgContext } from "./svg.js";

const WIDTH = 960;
const TITLE = 34;
const SCALE = 2; // pixels of a PNG per unit

// Buttons that save a view: {title(), describe(), pictureHeight, paint(context, width, height, colours)}.
export function plotMenu(view) {
  const button = (kind, f) =>
    el("button", { type: "button", class: "small", "aria-label": `Save as ${kind}: ${view.title()}`, onclick: f }, kind);
  const name = () => view.title().replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+|-+$/g, "").slice(0, 80) || "plot";
  const svg = button("SVG", () => {
    const context = new SvgContext(WIDTH, view.pictureHeight + TITLE, view.title(), view.describe());
    paintPicture(context, view);
    download(new Blob([context.toString()], { type: "image/svg+xml" }), `${name()}.svg`);
  });
  const png = button("PNG", () => {
    const canvas = el("canvas", { width: WIDTH * SCALE, height: (view.pictureHeight + TITLE) * SCALE });
    const context = canvas.getContext("2d");
    context.scale(SCALE, SCALE);
    paintPicture(context, view);
    canvas.toBlob((blob) => download(blob, `${name()}.png`));
  });
  return el("span", { class: "menu" }, svg, png);
}

function paintPicture(context, view) {
  const colours = lightColours();
  context.fillStyle = colours.ground;
  context.fillRect(0, 0, WIDTH, view.pictureHeight + TITLE);
  context.fillStyle = colours.text;
  context.font = "600 15px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(view.title().slice(0, 110), 14, TITLE / 2 + 2);
  context.save();
  context.translate(0, TITLE);
  view.paint(context, WIDTH, view.pictureHeight, colours);
  context.restore();
}
