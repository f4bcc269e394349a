// Saving a plot as a picture.

import { colour, download, el } from "./dom.js";

// A button that saves what is drawn on a canvas, with the page's ground under it.
export function plotMenu(name, canvasOf) {
  const png = el(
    "button",
    {
      type: "button",
      class: "small",
      onclick: () => {
        const drawn = canvasOf();
        if (!drawn) return;
        const copy = el("canvas", { width: drawn.width, height: drawn.height });
        const context = copy.getContext("2d");
        context.fillStyle = colour("ground");
        context.fillRect(0, 0, copy.width, copy.height);
        context.drawImage(drawn, 0, 0);
        copy.toBlob((blob) => download(blob, `${name}.png`));
      },
      "aria-label": `Save ${name} as a picture`,
    },
    "PNG",
  );
  return el("span", { class: "menu" }, png);
}
