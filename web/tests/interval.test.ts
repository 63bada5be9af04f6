import { describe, expect, it } from "vitest";
import { newPhotosInterval, quantile } from "../src/interval";

describe("the quantile of Student's t", () => {
  // scipy.special.stdtrit(degrees, 0.975)
  it.each([[1, 12.7062047], [1.5, 6.0166631], [2.25, 3.8754802], [4, 2.7764451], [19, 2.093024]])("of %d degrees is %d", (degrees, expected) => {
    expect(quantile(degrees)).toBeCloseTo(expected, 3);
  });
});

describe("the interval of new photos", () => {
  // Six photos, a block each, of one object; the last is not chosen, and leaves nothing out.
  const block = Int32Array.from([0, 1, 2, 3, 4, 5]);
  const shares = [1, 0.8, 0.6, 0.4, 0.2, 1];
  const without = Float32Array.from(shares.flatMap((share, row) => shares.map((_, left) => (left === row ? 0 : share))));

  it("is that of the jackknife by hand", () => {
    const found = newPhotosInterval(0.6, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], block, without);
    // Without each of five: .5, .55, .6, .65, .7, and .6 without the sixth; the variance 5/6 of .025; 4 degrees.
    const reach = (2.7764451 * Math.sqrt((0.025 * 5) / 6)) / 0.24;
    const odds = Math.log(0.6 / 0.4);
    expect(found.low).toBeCloseTo(1 / (1 + Math.exp(reach - odds)), 5);
    expect(found.high).toBeCloseTo(1 / (1 + Math.exp(-reach - odds)), 5);
    expect(found.no_interval).toBeNull();
  });

  it("is not there for few photos, for one that holds most, and where nothing is left", () => {
    const of = (places: number[], image: number[]) => newPhotosInterval(0.6, places, image, block, without).no_interval;
    expect(of([0, 1, 2], [0, 1, 1])).toBe("2 groups, 5 are needed");
    expect(of([0, 0, 0, 0, 0, 0, 1, 2, 3, 4], [0, 0, 0, 0, 0, 0, 1, 2, 3, 4])).toBe("one group holds 60% of the objects");
    const one = Int32Array.from([0, 0, 0, 0, 0, 1]);
    expect(newPhotosInterval(0.6, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], one, new Float32Array(12)).no_interval).toContain("nothing is left");
  });
});
