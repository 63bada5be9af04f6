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
  const pixels = new Uint32Array(view.width * view.height);
  const radius = pointRadius(view, points.x.length);
  for (let pass = FILTERED; pass <= SELECTED; pass++) {
    if (!points.state.includes(pass)) continue;
    for (let i = 0; i < points.x.length; i++) {
      if (points.state[i] !== pass) continue;
      const x = Math.round((points.x[i] - view.centerX) * view.scale + view.width / 2);
      const y = Math.round((view.centerY - points.y[i]) * view.scale + view.height / 2);
      // Also false for a point that has no place.
      if (!(x >= -radius && y >= -radius && x < view.width + radius && y < view.height + radius)) continue;
      if (radius === 0 && pass !== SELECTED) {
        // A million points are a pixel each, without a call.
        pixels[y * view.width + x] = (0xff000000 | (pass === FILTERED ? muted : points.color[i])) >>> 0;
        continue;
      }
      if (pass === SELECTED) disc(pixels, view, x, y, radius + 1, ring);
      disc(pixels, view, x, y, radius, 0xff000000 | (pass === FILTERED ? muted : points.color[i]));
    }
  }
  return pixels;
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
  for (let i = 0; i < x.length; i++) {
    if (Number.isNaN(x[i])) continue;
    left = Math.min(left, x[i]);
    right = Math.max(right, x[i]);
    low = Math.min(low, y[i]);
    high = Math.max(high, y[i]);
  }
  if (!(left <= right)) return { width, height, centerX: 0, centerY: 0, scale: 1 };
  const scale = 0.9 * Math.min(width / Math.max(right - left, 1e-6), height / Math.max(high - low, 1e-6));
  return { width, height, centerX: (left + right) / 2, centerY: (low + high) / 2, scale };
}
