// The page of a sweep in a frame of a notebook, and the snapshots that the kernel sends to it.

function theme() {
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight !== undefined) return jpThemeLight === "true" ? "light" : "dark";
  return vscodeThemeKind === undefined ? null : vscodeThemeKind.includes("light") ? "light" : "dark";
}

function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts allow-downloads");
  frame.setAttribute("title", model.get("name"));
  frame.style.cssText = `width: 100%; height: ${model.get("height")}px; border: 1px solid #8886; border-radius: 6px;`;
  frame.srcdoc = model.get("page");
  const send = () => {
    const { buffer, byteOffset, byteLength } = model.get("snapshot");
    if (byteLength) frame.contentWindow?.postMessage({ snapshot: buffer.slice(byteOffset, byteOffset + byteLength) }, "*");
  };
  frame.addEventListener("load", () => {
    const chosen = theme();
    if (chosen) frame.contentWindow.postMessage({ theme: chosen }, "*");
    send();
  });
  model.on("change:snapshot", send);
  el.append(frame);
  return () => model.off("change:snapshot", send);
}

export default { render };
