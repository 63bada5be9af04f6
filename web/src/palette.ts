/** Colors of values: eight that color-blind readers tell apart, then steps of hue; a ramp; a cycle for angles. */

export type Rgb = readonly [number, number, number];

/** Okabe and Ito, "Color Universal Design" (2008), with a gray in place of black. */
export const CATEGORIES: readonly Rgb[] = [
  [0, 114, 178],
  [230, 159, 0],
  [0, 158, 115],
  [204, 121, 167],
  [213, 94, 0],
  [86, 180, 233],
  [128, 118, 24],
  [120, 94, 160],
];

/** What a filter leaves out, and what is not known. */
export const MUTED: Rgb = [196, 200, 206];
export const UNKNOWN: Rgb = [150, 150, 150];

export function categoryColor(index: number): Rgb {
  if (index < CATEGORIES.length) return CATEGORIES[index];
  const step = index - CATEGORIES.length;
  return hsl((step * 137.508) % 360, 0.45, step % 2 ? 0.62 : 0.42);
}

/** Violet over green to yellow, ever lighter; both ends are seen on the page's white and on its black. */
const RAMP: readonly Rgb[] = [
  [110, 70, 190],
  [70, 110, 190],
  [33, 145, 140],
  [90, 190, 90],
  [225, 190, 40],
];

/** Return the color of a share in [0, 1]. */
export function rampColor(share: number): Rgb {
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  return mix(RAMP[low], RAMP[low + 1], at - low);
}

/** Return the color of an angle in turns: 0 and 1 are the same. */
export function cyclicColor(turns: number): Rgb {
  const angle = turns * 2 * Math.PI;
  const wave = (shift: number) => 135 + 95 * Math.cos(angle - shift);
  return [wave(0), wave((2 * Math.PI) / 3) * 0.85, wave((4 * Math.PI) / 3)].map(Math.round) as unknown as Rgb;
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}

function mix(from: Rgb, to: Rgb, share: number): Rgb {
  return from.map((value, place) => Math.round(value + (to[place] - value) * share)) as unknown as Rgb;
}

function hsl(hue: number, saturation: number, lightness: number): Rgb {
  const amplitude = saturation * Math.min(lightness, 1 - lightness);
  const channel = (shift: number) => {
    const k = (shift + hue / 30) % 12;
    return Math.round(255 * (lightness - amplitude * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
