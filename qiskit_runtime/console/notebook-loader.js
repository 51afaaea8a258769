// What a notebook loads: behind the modules' texts, which bundle.py writes before this one. Each
// becomes a module of the browser's, once a page, however many jobs it shows.
/* global MODULES, STYLES, VERSION */

const LINK = /(^import [^"]*|\bimport\()"([^"]+)"/gm;

function load() {
  const places = new Map();
  for (const [name, text] of MODULES) {
    const linked = text.replace(LINK, (_, before, other) => `${before}"${places.get(other)}"`);
    places.set(name, URL.createObjectURL(new Blob([linked], { type: "text/javascript" })));
  }
  return import([...places.values()].at(-1));
}

function loadOnce() {
  const loaded = (globalThis.qiskitRuntimeConsole ??= new Map());
  if (!loaded.has(VERSION)) {
    const loading = load();
    loaded.set(VERSION, loading);
    // A later display tries again.
    loading.catch(() => loaded.delete(VERSION));
  }
  return loaded.get(VERSION);
}

export default {
  async render(context) {
    return (await loadOnce()).render(context, STYLES);
  },
};
