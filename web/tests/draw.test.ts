import { describe, expect, it } from "vitest";
import { draw, FILTERED, pointAt, SELECTED, SHOWN, wholeView, type Points, type View } from "../src/draw";

const view: View = { width: 9, height: 7, centerX: 0, centerY: 0, scale: 1 };
const MUTED = 0x333333;
const RING = 0xffffffff;

function points(...rows: [number, number, number, number][]): Points {
  return {
    x: Float32Array.from(rows, (row) => row[0]),
    y: Float32Array.from(rows, (row) => row[1]),
    color: Uint32Array.from(rows, (row) => row[2]),
    state: Uint8Array.from(rows, (row) => row[3]),
  };
}

/** A view so full that points are single pixels. */
const small: View = { ...view, scale: 0.5 };
const filler = (count: number) => Array.from({ length: count }, (): [number, number, number, number] => [900, 900, 0, SHOWN]);
const at = (pixels: Uint32Array, x: number, y: number) => pixels[y * view.width + x];

describe("draw", () => {
  it("puts the center of the map in the middle, with y upward", () => {
    const pixels = draw(points([0, 0, 0x0000ff, SHOWN], [2, 4, 0x00ff00, SHOWN], ...filler(40)), small, MUTED, RING);
    expect(at(pixels, 5, 4)).toBe(0xff0000ff);
    expect(at(pixels, 6, 2)).toBe(0xff00ff00);
  });

  it("leaves transparent what no point covers", () => {
    const pixels = draw(points([0, 0, 1, SHOWN], ...filler(40)), small, MUTED, RING);
    expect([...pixels].filter(Boolean)).toHaveLength(1);
  });

  it("draws what is filtered out below, in gray", () => {
    const both = points([0, 0, 0x0000ff, SHOWN], [0, 0, 0x00ff00, FILTERED], ...filler(40));
    expect(at(draw(both, small, MUTED, RING), 5, 4)).toBe(0xff0000ff);
    const alone = points([0, 0, 0x00ff00, FILTERED], ...filler(40));
    expect(at(draw(alone, small, MUTED, RING), 5, 4)).toBe(0xff333333);
  });

  it("draws what is selected on top, with a ring", () => {
    const pixels = draw(points([0, 0, 0x0000ff, SELECTED], [0, 0, 0x00ff00, SHOWN], ...filler(40)), small, MUTED, RING);
    expect(at(pixels, 5, 4)).toBe(0xff0000ff);
    expect(at(pixels, 4, 4)).toBe(RING);
  });

  it("draws many points as one would by hand, a layer on another", () => {
    const states = [FILTERED, SHOWN, SELECTED];
    const rows = Array.from({ length: 400 }, (_, i): [number, number, number, number] => [
      i % 7 === 0 ? NaN : ((i * 37) % 97) / 16 - 3, ((i * 53) % 89) / 16 - 3, 1 + i, states[(i + (i >> 3)) % 3],
    ]);
    const seen = { ...view, width: 12, height: 10, scale: 1.5 };
    const expected = new Array<number>(120).fill(0);
    const own = new Map<number, number>();
    for (const state of states) {
      for (const [x, y, color, of] of rows) {
        const [column, row] = [Math.round(x * 1.5 + 6), Math.round(5 - y * 1.5)];
        if (of !== state || !(column >= 0 && column < 12 && row >= 0 && row < 10)) continue;
        if (state === SELECTED) own.set(row * 12 + column, 0xff000000 + color);
        else expected[row * 12 + column] = 0xff000000 + (state === FILTERED ? MUTED : color);
      }
    }
    for (const at of own.keys()) {
      for (const [right, down] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        const [column, row] = [(at % 12) + right, Math.floor(at / 12) + down];
        if (column >= 0 && column < 12 && row >= 0 && row < 10) expected[row * 12 + column] = RING;
      }
    }
    for (const [at, color] of own) expected[at] = color;
    expect([...draw(points(...rows), seen, MUTED, RING)]).toEqual(expected);
    expect(own.size).toBeGreaterThan(20);
  });

  it("stays inside the view at its borders", () => {
    const corners = points([-5, 4, 1, SHOWN], [5, -4, 1, SHOWN], [-1e9, 0, 1, SHOWN]);
    expect(draw(corners, view, MUTED, RING)).toHaveLength(63);
  });
});

describe("pointAt", () => {
  const two = points([0, 0, 1, SHOWN], [3, 0, 1, SHOWN], [3.4, 0, 1, FILTERED]);

  it("finds the nearest within reach", () => {
    expect(pointAt(two, view, 4.5 + 2.9, 3.5, 2)).toBe(1);
    expect(pointAt(two, view, 4.5 + 1.4, 3.5, 2)).toBe(0);
  });

  it("finds nothing farther, and nothing that is filtered out", () => {
    expect(pointAt(two, view, 4.5, 3.5 + 3, 2)).toBe(-1);
    expect(pointAt(two, view, 4.5 + 3.4, 3.5, 0.1)).toBe(-1);
  });
});

describe("wholeView", () => {
  it("shows all points with a margin", () => {
    const seen = wholeView(Float32Array.of(-2, 6), Float32Array.of(1, 3), 400, 400);
    expect([seen.centerX, seen.centerY]).toEqual([2, 2]);
    expect(seen.scale * 8).toBeCloseTo(360);
  });

  it("has a scale for one point, and for none", () => {
    expect(wholeView(Float32Array.of(5), Float32Array.of(5), 100, 100).scale).toBeGreaterThan(0);
    expect(wholeView(new Float32Array(0), new Float32Array(0), 100, 100).scale).toBe(1);
  });
});
