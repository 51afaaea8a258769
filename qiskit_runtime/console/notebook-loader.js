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

export default {
  async render(context) {
    const loaded = (globalThis.qiskitRuntimeConsole ??= new Map());
    if (!loaded.has(VERSION)) loaded.set(VERSION, load());
    return (await loaded.get(VERSION)).render(context, STYLES);
  },
};
