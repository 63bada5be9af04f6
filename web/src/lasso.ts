/** Which points lie in a polygon: a grid decides nearly all, and only those of border cells are tested. */

export type Polygon = readonly (readonly [number, number])[];

const CELLS = 512;
const OUTSIDE = 0;
const INSIDE = 1;
const BORDER = 2;

/** Return 1 for each point inside the polygon (by the even-odd rule), 0 for the others. */
export function pointsInside(x: Float32Array, y: Float32Array, polygon: Polygon): Uint8Array {
  const inside = new Uint8Array(x.length);
  if (polygon.length < 3) return inside;
  const box = bounds(polygon);
  const cells = rasterized(polygon, box);
  const acrossScale = CELLS / Math.max(box.right - box.left, 1e-12);
  const downScale = CELLS / Math.max(box.high - box.low, 1e-12);
  const { left, right, low, high } = box;
  for (let i = 0; i < x.length; i++) {
    // Also false for a point that has no place.
    if (!(x[i] >= left && x[i] <= right && y[i] >= low && y[i] <= high)) continue;
    const column = Math.min(CELLS - 1, ((x[i] - left) * acrossScale) | 0);
    const row = Math.min(CELLS - 1, ((y[i] - low) * downScale) | 0);
    const cell = cells[row * CELLS + column];
    inside[i] = cell === BORDER ? Number(holds(polygon, x[i], y[i])) : cell;
  }
  return inside;
}

/** Return whether a polygon holds a point, by the even-odd rule. */
export function holds(polygon: Polygon, x: number, y: number): boolean {
  let odd = false;
  let [bx, by] = polygon[polygon.length - 1];
  for (let i = 0; i < polygon.length; i++) {
    const ax = polygon[i][0];
    const ay = polygon[i][1];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
    bx = ax;
    by = ay;
  }
  return odd;
}

interface Box {
  left: number;
  right: number;
  low: number;
  high: number;
}

function bounds(polygon: Polygon): Box {
  const xs = polygon.map(([x]) => x);
  const ys = polygon.map(([, y]) => y);
  return { left: Math.min(...xs), right: Math.max(...xs), low: Math.min(...ys), high: Math.max(...ys) };
}

/** Return each cell as outside, inside or on the border of the polygon. */
function rasterized(polygon: Polygon, box: Box): Uint8Array {
  const cells = new Uint8Array(CELLS * CELLS);
  const width = Math.max(box.right - box.left, 1e-12) / CELLS;
  const height = Math.max(box.high - box.low, 1e-12) / CELLS;
  for (let i = 0, before = polygon.length - 1; i < polygon.length; before = i++) {
    markEdge(cells, polygon[before], polygon[i], box, width, height);
  }
  for (let row = 0; row < CELLS; row++) {
    let state = OUTSIDE;
    let known = true; // Left of the first cell all is outside.
    for (let column = 0; column < CELLS; column++) {
      const at = row * CELLS + column;
      if (cells[at] === BORDER) known = false;
      else {
        if (!known) {
          state = Number(holds(polygon, box.left + (column + 0.5) * width, box.low + (row + 0.5) * height));
          known = true;
        }
        cells[at] = state === OUTSIDE ? OUTSIDE : INSIDE;
      }
    }
  }
  return cells;
}

/** Mark the cells that an edge passes, and their neighbors, which rounding could make it pass. */
function markEdge(
  cells: Uint8Array,
  [ax, ay]: readonly [number, number],
  [bx, by]: readonly [number, number],
  box: Box,
  width: number,
  height: number,
): void {
  const steps = 2 * Math.ceil(Math.max(Math.abs(bx - ax) / width, Math.abs(by - ay) / height)) + 1;
  for (let step = 0; step <= steps; step++) {
    const column = Math.floor((ax + ((bx - ax) * step) / steps - box.left) / width);
    const row = Math.floor((ay + ((by - ay) * step) / steps - box.low) / height);
    for (let down = Math.max(0, row - 1); down <= Math.min(CELLS - 1, row + 1); down++) {
      for (let right = Math.max(0, column - 1); right <= Math.min(CELLS - 1, column + 1); right++) {
        cells[down * CELLS + right] = BORDER;
      }
    }
  }
}
