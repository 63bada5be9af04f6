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

/** The relative luminance of a color, as WCAG defines it. */
const luminance = (color: readonly number[]) => {
  const [red, green, blue] = color.map((value) => (value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

it.each([["white", [255, 255, 255]], ["the dark panel", [29, 33, 38]]])("can be seen on %s from end to end", (_, panel) => {
  for (let step = 0; step < 20; step++) {
    const [low, high] = [luminance(rampColor(step / 19)), luminance(panel as number[])].sort((a, b) => a - b);
    expect((high + 0.05) / (low + 0.05)).toBeGreaterThan(1.7);
  }
});

it("comes back to the first color after a whole turn", () => {
  expect(cyclicColor(1)).toEqual(cyclicColor(0));
  expect(cyclicColor(0.5)).not.toEqual(cyclicColor(0));
});
