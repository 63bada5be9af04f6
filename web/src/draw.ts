/** The map as pixels: a pure function of points, colors and view, so that tests compare pixels. */

/** Points of a map. `color`: red, green and blue in the low bytes of a number, as canvases order them. */
export interface Points {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly color: Uint32Array;
  /** 0: left out by a filter, drawn gray and first; 1: shown; 2: selected, drawn last. */
  readonly state: Uint8Array;
}

/** What is seen: the point of the map in the middle, and pixels for a unit of the map. */
export interface View {
  readonly width: number;
  readonly height: number;
  readonly centerX: number;
  readonly centerY: number;
  readonly scale: number;
}

export const FILTERED = 0;
export const SHOWN = 1;
export const SELECTED = 2;

/** Return the map as RGBA pixels, row by row; what no point covers is transparent. */
export function draw(points: Points, view: View, muted: number, ring: number): Uint32Array {
  const radius = pointRadius(view, points.x.length);
  if (radius === 0) return stacked(pixelLayers(points, view), view, OPAQUE | muted, ring);
  const pixels = new Uint32Array(view.width * view.height);
  for (let pass = FILTERED; pass <= SELECTED; pass++) {
    if (points.state.includes(pass)) drawDiscs(pixels, points, view, pass, radius, muted, ring);
  }
  return pixels;
}

const OPAQUE = 0xff000000;

/** Return the pixels of each state's points, a pixel a point: a million of them in one walk, whatever their order. */
function pixelLayers({ x, y, color, state }: Points, { width, height, centerX, centerY, scale }: View): Uint32Array[] {
  const layers = [FILTERED, SHOWN, SELECTED].map(() => new Uint32Array(width * height));
  const across = width / 2 - centerX * scale + 0.5;
  const down = height / 2 + centerY * scale + 0.5;
  for (let i = 0; i < x.length; i++) {
    const column = x[i] * scale + across;
    const row = down - y[i] * scale;
    // Also false for a point that has no place.
    if (column >= 0 && row >= 0 && column < width && row < height) {
      layers[state[i]][(row | 0) * width + (column | 0)] = OPAQUE | color[i];
    }
  }
  return layers;
}

/** Return layers on one another: what is filtered out in gray, and a ring around what is selected. */
function stacked([filtered, shown, selected]: Uint32Array[], { width, height }: View, gray: number, ring: number): Uint32Array {
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at++) {
      if (selected[at]) shown[at] = selected[at];
      else if (
        (column > 0 && selected[at - 1]) || (column < width - 1 && selected[at + 1]) ||
        (row > 0 && selected[at - width]) || (row < height - 1 && selected[at + width])
      ) shown[at] = ring;
      else if (filtered[at] && !shown[at]) shown[at] = gray;
    }
  }
  return shown;
}

function drawDiscs(pixels: Uint32Array, points: Points, view: View, pass: number, radius: number, muted: number, ring: number): void {
  for (let i = 0; i < points.x.length; i++) {
    if (points.state[i] !== pass) continue;
    const x = Math.round((points.x[i] - view.centerX) * view.scale + view.width / 2);
    const y = Math.round((view.centerY - points.y[i]) * view.scale + view.height / 2);
    if (!(x >= -radius && y >= -radius && x < view.width + radius && y < view.height + radius)) continue;
    if (pass === SELECTED) disc(pixels, view, x, y, radius + 1, ring);
    disc(pixels, view, x, y, radius, OPAQUE | (pass === FILTERED ? muted : points.color[i]));
  }
}

/** Return how large a point is drawn, in pixels: larger where there are few or the view is close. */
export function pointRadius(view: View, count: number): number {
  const room = Math.sqrt((view.width * view.height) / Math.max(count, 1));
  return Math.max(0, Math.min(5, Math.round(room / 7)));
}

function disc(pixels: Uint32Array, view: View, x: number, y: number, radius: number, color: number): void {
  const limit = (radius + 0.3) ** 2;
  for (let down = Math.max(-radius, -y); down <= Math.min(radius, view.height - 1 - y); down++) {
    for (let right = Math.max(-radius, -x); right <= Math.min(radius, view.width - 1 - x); right++) {
      if (down * down + right * right <= limit) pixels[(y + down) * view.width + x + right] = color >>> 0;
    }
  }
}

/** Return the nearest point within `reach` pixels of a place in the view; -1 for none. */
export function pointAt(points: Points, view: View, px: number, py: number, reach: number): number {
  const x = (px - view.width / 2) / view.scale + view.centerX;
  const y = view.centerY - (py - view.height / 2) / view.scale;
  let best = -1;
  let least = (reach / view.scale) ** 2;
  for (let i = 0; i < points.x.length; i++) {
    if (points.state[i] === FILTERED) continue;
    const distance = (points.x[i] - x) ** 2 + (points.y[i] - y) ** 2;
    if (distance <= least) {
      least = distance;
      best = i;
    }
  }
  return best;
}

/** Return the view in which all points are seen, with a margin. */
export function wholeView(x: Float32Array, y: Float32Array, width: number, height: number): View {
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  // A point that has no place is beyond nothing.
  for (let i = 0; i < x.length; i++) {
    if (x[i] < left) left = x[i];
    if (x[i] > right) right = x[i];
    if (y[i] < low) low = y[i];
    if (y[i] > high) high = y[i];
  }
  if (!(left <= right)) return { width, height, centerX: 0, centerY: 0, scale: 1 };
  const scale = 0.9 * Math.min(width / Math.max(right - left, 1e-6), height / Math.max(high - low, 1e-6));
  return { width, height, centerX: (left + right) / 2, centerY: (low + high) / 2, scale };
}
