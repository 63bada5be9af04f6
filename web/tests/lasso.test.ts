import { describe, expect, it } from "vitest";
import { holds, pointsInside, type Polygon } from "../src/lasso";

/** A small generator, so that every run tests the same points (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function cloud(count: number, seed: number): [Float32Array, Float32Array] {
  const next = random(seed);
  return [Float32Array.from({ length: count }, () => next() * 4 - 2), Float32Array.from({ length: count }, () => next() * 4 - 2)];
}

/** Winding by the sum of signed angles: another way to decide, for polygons that do not cross themselves. */
function turns(polygon: Polygon, x: number, y: number): boolean {
  let sum = 0;
  polygon.forEach(([ax, ay], i) => {
    const [bx, by] = polygon[(i + 1) % polygon.length];
    sum += Math.atan2((ax - x) * (by - y) - (ay - y) * (bx - x), (ax - x) * (bx - x) + (ay - y) * (by - y));
  });
  return Math.abs(sum) > Math.PI;
}

const star: Polygon = Array.from({ length: 14 }, (_, i) => {
  const radius = i % 2 ? 0.5 : 1.7;
  return [radius * Math.cos((i * Math.PI) / 7), 0.8 * radius * Math.sin((i * Math.PI) / 7)] as const;
});

describe("pointsInside", () => {
  it("agrees with the sum of angles for a star", () => {
    const [x, y] = cloud(20_000, 1);
    const inside = pointsInside(x, y, star);
    const wrong = [...inside.keys()].filter((i) => Boolean(inside[i]) !== turns(star, x[i], y[i]));
    expect(wrong).toEqual([]);
    expect(inside.reduce((sum, one) => sum + one, 0)).toBeGreaterThan(1000);
  });

  it("agrees with the plain test for polygons that cross themselves, thin ones among them", () => {
    const [x, y] = cloud(3000, 2);
    for (let trial = 0; trial < 20; trial++) {
      const next = random(100 + trial);
      const thin = trial % 3 === 0 ? 1e-3 : 1;
      const polygon = Array.from({ length: 3 + trial }, () => [next() * 3 - 1.5, (next() * 3 - 1.5) * thin] as const);
      const inside = pointsInside(x, y, polygon);
      const wrong = [...inside.keys()].filter((i) => Boolean(inside[i]) !== holds(polygon, x[i], y[i]));
      expect(wrong).toEqual([]);
    }
  });

  it("holds nothing with fewer than three corners", () => {
    expect([...pointsInside(Float32Array.of(0), Float32Array.of(0), [[-1, -1], [1, 1]])]).toEqual([0]);
  });
});
