// Places for the qubits of a coupling map: neighbours near each other, the same ones each time.

const ROUNDS = 400;

/** Return a place for each of `count` nodes: {x, y} between 0 and 1. */
export function layOut(count, edges) {
  const places = begin(count, edges);
  const ideal = Math.sqrt(1 / count);
  for (let round = 0; round < ROUNDS; round += 1) {
    move(places, edges, ideal, 0.1 * (1 - round / ROUNDS) ** 2 + 0.0005);
  }
  return fit(places);
}

/** Begin on a ring, in the order in which a walk along the edges finds the nodes. */
function begin(count, edges) {
  const neighbours = Array.from({ length: count }, () => []);
  for (const [a, b] of edges) {
    neighbours[a].push(b);
    neighbours[b].push(a);
  }
  const order = [];
  const seen = new Set();
  for (let node = 0; node < count; node += 1) walk(node, neighbours, seen, order);
  const places = [];
  order.forEach((node, index) => {
    const angle = (2 * Math.PI * index) / count;
    places[node] = { x: Math.cos(angle), y: Math.sin(angle) };
  });
  return places;
}

function walk(first, neighbours, seen, order) {
  const waiting = [first];
  while (waiting.length) {
    const node = waiting.shift();
    if (seen.has(node)) continue;
    seen.add(node);
    order.push(node);
    waiting.push(...neighbours[node]);
  }
}

/** Move every node by the forces of Fruchterman and Reingold, by `step` at most. */
function move(places, edges, ideal, step) {
  const forces = places.map(() => ({ x: 0, y: 0 }));
  const push = (a, b, strength) => {
    const x = places[a].x - places[b].x;
    const y = places[a].y - places[b].y;
    const distance = Math.hypot(x, y) || 1e-6;
    const force = strength(distance) / distance;
    forces[a].x += x * force;
    forces[a].y += y * force;
    forces[b].x -= x * force;
    forces[b].y -= y * force;
  };
  for (let a = 0; a < places.length; a += 1) {
    for (let b = 0; b < a; b += 1) push(a, b, (distance) => (ideal * ideal) / distance);
  }
  for (const [a, b] of edges) push(a, b, (distance) => -(distance * distance) / ideal);
  places.forEach((place, node) => {
    const length = Math.hypot(forces[node].x, forces[node].y) || 1e-6;
    place.x += (forces[node].x / length) * Math.min(length, step);
    place.y += (forces[node].y / length) * Math.min(length, step);
  });
}

function fit(places) {
  const range = (name) => {
    const all = places.map((place) => place[name]);
    return [Math.min(...all), Math.max(...all) - Math.min(...all) || 1];
  };
  const [x, width] = range("x");
  const [y, height] = range("y");
  const scale = Math.max(width, height);
  return places.map((place) => ({ x: (place.x - x) / scale, y: (place.y - y) / scale }));
}
