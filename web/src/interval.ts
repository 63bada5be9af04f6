/** The 95 % interval of a purity in stores of new photos: analyses/jackknife.py, for a page that has no server. */

/** Photos below which, and share of the objects in one of them above which, there is no interval. */
const FEWEST = 5;
const LARGEST = 0.5;

export interface Interval {
  low: number | null;
  high: number | null;
  /** Why there is none. */
  no_interval: string | null;
}

/**
 * Return the interval of the mean `value` of some objects' purities.
 *
 * places: of the objects, among all; image: the photo of each of these
 * block: of all objects, the block of photos that is left out at once
 * without: of all objects, the purity of each without each of the blocks, 0 for the objects of the block
 */
export function newPhotosInterval(value: number, places: number[], image: number[], block: Int32Array, without: Float32Array): Interval {
  const none = (why: string): Interval => ({ low: null, high: null, no_interval: why });
  const ofImage = [...counts(image).values()];
  if (ofImage.length < FEWEST) return none(`${ofImage.length} ${ofImage.length === 1 ? "group" : "groups"}, ${FEWEST} are needed`);
  const largest = Math.max(...ofImage) / places.length;
  if (largest > LARGEST) return none(`one group holds ${Math.round(100 * largest)}% of the objects`);
  const blocks = without.length / block.length;
  const own = counts(places.map((i) => block[i]));
  const means = Array.from({ length: blocks }, (_, left) => {
    const sum = places.reduce((total, i) => total + without[i * blocks + left], 0);
    return sum / (places.length - (own.get(left) ?? 0));
  });
  if (means.some(Number.isNaN)) return none("without some groups nothing is left to compare with");
  const middle = means.reduce((sum, one) => sum + one, 0) / blocks;
  const variance = (means.reduce((sum, one) => sum + (one - middle) ** 2, 0) * (blocks - 1)) / blocks;
  const squares = [...own.values()].reduce((sum, size) => sum + size ** 2, 0);
  const reach = quantile(Math.max(1, places.length ** 2 / squares - 1)) * Math.sqrt(variance);
  return { low: moved(value, -reach), high: moved(value, reach), no_interval: null };
}

function counts(values: number[]): Map<number, number> {
  const found = new Map<number, number>();
  for (const one of values) found.set(one, (found.get(one) ?? 0) + 1);
  return found;
}

/** Return a purity moved by a step, on the scale of its log odds where it is neither 0 nor 1. */
function moved(value: number, step: number): number {
  if (value <= 0 || value >= 1) return Math.min(1, Math.max(0, value + step));
  const scaled = Math.log(value / (1 - value)) + Math.min(50, Math.max(-50, step / (value * (1 - value))));
  return 1 / (1 + Math.exp(-scaled));
}

/**
 * Return the 97.5 % quantile of Student's t, for 1 degree of freedom or more.
 *
 * With t = sqrt(degrees) tan(angle) the density is a power of the angle's cosine; its tail is summed until it
 * holds as much as it should.
 */
export function quantile(degrees: number): number {
  const steps = 20_000;
  const width = Math.PI / 2 / steps;
  const density = Float64Array.from({ length: steps }, (_, at) => Math.cos((at + 0.5) * width) ** (degrees - 1));
  const tail = 0.05 * density.reduce((sum, one) => sum + one, 0);
  let [at, sum] = [steps, 0];
  while (sum + density[at - 1] < tail) sum += density[--at];
  return Math.sqrt(degrees) * Math.tan((at - (tail - sum) / density[at - 1]) * width);
}
