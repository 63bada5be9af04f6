import { expect, it } from "vitest";
import { categoryColor, cyclicColor, rampColor } from "../src/palette";

const light = ([red, green, blue]: readonly number[]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue;

it("gives fifty categories fifty colors", () => {
  expect(new Set(Array.from({ length: 50 }, (_, i) => categoryColor(i).join())).size).toBe(50);
});

it("rises in lightness along the ramp, so that it can be read in print", () => {
  const steps = Array.from({ length: 20 }, (_, i) => light(rampColor(i / 19)));
  expect([...steps].sort((a, b) => a - b)).toEqual(steps);
});

it("comes back to the first color after a whole turn", () => {
  expect(cyclicColor(1)).toEqual(cyclicColor(0));
  expect(cyclicColor(0.5)).not.toEqual(cyclicColor(0));
});
