// Small helpers over the DOM. Text always goes in as text, never as markup: stored names and logs may hold anything.

const isThere = (child) => child !== null && child !== undefined;

// el("td", {class: "number", onclick: f}, "text", child, ...)
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (!isThere(value) || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter(isThere));
  return node;
}

export function replace(node, ...children) {
  node.replaceChildren(...children.flat().filter(isThere));
  return node;
}

// Sets the text of a node if it is another one: what is selected in it, or read aloud, is not disturbed otherwise.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Makes `parent` hold one node an item. A node stays the same, and where it is, as long as its item's key and
// signature do: a click that began on it, the focus and a selection survive the updates of a running sweep.
export function keyed(parent, items, keyOf, signatureOf, make) {
  const before = parent.keyedNodes ?? new Map();
  const now = new Map();
  for (const item of items) {
    const [key, signature] = [keyOf(item), signatureOf(item)];
    const old = before.get(key);
    now.set(key, old?.signature === signature ? old : { signature, node: make(item) });
  }
  const nodes = [...now.values()].map(({ node }) => node);
  const kept = new Set(nodes);
  const focused = [...before].find(([, { node }]) => node.contains(document.activeElement));
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const node of nodes) {
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  if (focused && !focused[1].node.contains(document.activeElement)) {
    now.get(focused[0])?.node.querySelector("a, button")?.focus({ preventScroll: true });
  }
  parent.keyedNodes = now;
}

// Builds the children of a node anew if what they show has changed.
export function refresh(node, shown, build) {
  const signature = JSON.stringify(shown);
  if (node.shown === signature) return;
  node.shown = signature;
  replace(node, build());
}

// Calls f at most once a frame, however often it is asked for.
export function perFrame(f) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      f();
    });
  };
}

// Calls f at once, and again after `ms` if it was asked for meanwhile; never two at a time.
export function pacedBy(ms, f) {
  let [isBusy, isWanted] = [false, false];
  const call = async () => {
    if (isBusy) {
      isWanted = true;
      return;
    }
    isBusy = true;
    await f();
    setTimeout(() => {
      isBusy = false;
      if (isWanted) {
        isWanted = false;
        call();
      }
    }, ms);
  };
  return call;
}

// A canvas that fills its box at the screen's own resolution; returns its context in CSS pixels.
export function fit(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.max(1, Math.round(width * ratio));
  const h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export function download(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
