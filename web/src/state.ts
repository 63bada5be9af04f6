/** What the page shows: signals, and what follows from them. */
import { batch, computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import * as api from "./api";
import { readColumn, type Column } from "./columns";
import { FILTERED, SELECTED, SHOWN, type Points } from "./draw";
import { categoryColor, cyclicColor, MUTED, rampColor, UNKNOWN, type Rgb } from "./palette";
import { shareSelection, SOURCE, tellReady, tellSelection } from "./sources";

export interface Limit {
  shown?: ReadonlySet<number>;
  low?: number;
  high?: number;
}

export interface MapPoints {
  space: string;
  method: string;
  row: Int32Array;
  x: Float32Array;
  y: Float32Array;
}

export const summary = signal<api.Summary | null>(null);
export const columns = signal<Map<string, Column>>(new Map());
export const failure = signal<string | null>(null);
export const space = signal<string>("");
export const metric = signal<"euclidean" | "cosine">("cosine");
export const mapMethod = signal("pca");
export const points = signal<MapPoints | null>(null);
/** A second space whose map is shown beside the first; empty for none. */
export const otherSpace = signal("");
export const otherPoints = signal<MapPoints | null>(null);
export const mapBusy = signal(false);
/** The share of the map that is computed. */
export const mapDone = signal(0);
export const colorBy = signal("label");
/** Labels that are shown; null for all. */
export const shownLabels = signal<ReadonlySet<number> | null>(null);
export const leastScore = signal(0);
/** Filters of other columns, by name: the codes that are shown, or the bounds of numbers. */
export const limits = signal<ReadonlyMap<string, Limit>>(new Map());
/** 1 for each selected object of the objects table; null for none. */
export const selection = signal<Uint8Array | null>(null);
/** The object whose neighbors and photo are shown, by its row of the objects table. */
export const focus = signal<number | null>(null);
/** The object that was in focus before. */
export const before = signal<number | null>(null);
/** Two objects whose distance is explained; null for none. */
export const pair = signal<readonly [number, number] | null>(null);
/** Objects that a search is to be like, and unlike. */
export const like = signal<readonly number[]>([]);
export const unlike = signal<readonly number[]>([]);
export const sameImage = signal(false);
/** Whether only what the filters show may be a neighbor. */
export const shownOnly = signal(true);
export const measured = signal<api.SelectionMeasure | null>(null);
export const marks = signal<api.Marks>({});
export const selectionNames = signal<string[]>([]);
export const measureError = signal<string | null>(null);

/** Whether each object of the table passes the filters. */
export const passes = computed(() => {
  const label = columns.value.get("label");
  const score = columns.value.get("score");
  const count = label?.kind === "names" ? label.codes.length : 0;
  const passed = new Uint8Array(count).fill(1);
  const [shown, least] = [shownLabels.value, leastScore.value];
  if (shown && label?.kind === "names") keepWithin(passed, label, { shown });
  // What has no score, an annotation, is not filtered by it.
  if (least > 0 && score?.kind === "numbers") for (let row = 0; row < count; row++) if (score.values[row] < least) passed[row] = 0;
  for (const [name, limit] of limits.value) {
    const column = columns.value.get(name);
    if (column) keepWithin(passed, column, limit);
  }
  return passed;
});

/** Whether a filter is set. */
export const filtering = computed(() => shownLabels.value !== null || leastScore.value > 0 || limits.value.size > 0);

/** The label that is shown alone, where no other filter is set. */
export const onlyLabel = computed(() => {
  const [label, shown] = [columns.value.get("label"), shownLabels.value];
  if (label?.kind !== "names" || shown?.size !== 1 || leastScore.value > 0 || limits.value.size > 0) return null;
  return label.names[[...shown][0]];
});

/** Take out what a column's limit does not let pass; what is not known is in no range. */
function keepWithin(passed: Uint8Array, column: Column, { shown, low, high }: Limit): void {
  if (column.kind === "names") {
    if (!shown) return;
    const kept = Uint8Array.from(column.names, (_, code) => Number(shown.has(code)));
    for (let row = 0; row < passed.length; row++) passed[row] &= kept[column.codes[row]];
    return;
  }
  const { values } = column;
  if (low !== undefined) for (let row = 0; row < passed.length; row++) if (!(values[row] >= low)) passed[row] = 0;
  if (high !== undefined) for (let row = 0; row < passed.length; row++) if (!(values[row] <= high)) passed[row] = 0;
}

/** The selected objects that pass the filters, or all that pass. */
export const chosen = computed(() => {
  const passed = passes.value;
  const selected = selection.value;
  if (!selected) return passed;
  const both = new Uint8Array(passed.length);
  for (let row = 0; row < both.length; row++) both[row] = passed[row] & selected[row];
  return both;
});

/** Columns that are computed for the map that is shown: their names, and what the server calls them. */
export const COMPUTED = new Map([["agreement of neighbors", "agreement"], ["neighbors kept by the map", "kept"], ["neighbors in both spaces", "shared"]]);

/** Compute the column that colors the map, where it is none of the store's. */
effect(() => {
  const [name, map, distance, other] = [colorBy.value, points.value, metric.value, otherSpace.value];
  const asked = COMPUTED.get(name);
  if (!asked || !map || (asked === "shared" && !other)) return;
  guarded(async () => {
    const values = await computedColumn(name, map, distance, other);
    if (colorBy.peek() !== name || points.peek() !== map || metric.peek() !== distance || otherSpace.peek() !== other) return;
    columns.value = new Map(columns.peek()).set(name, { kind: "numbers", values, low: 0, high: 1 });
  });
});

/** Return a computed column, a number for each object of the table, NaN for what is not in the space. */
export async function computedColumn(name: string, map: MapPoints, distance: string, other: string): Promise<Float32Array> {
  const asked = COMPUTED.get(name)!;
  const table = await api.getValues(asked, map.space, distance, map.method, asked === "shared" ? other : undefined);
  const values = new Float32Array(summary.peek()!.objects).fill(NaN);
  (table.getChild("value")!.toArray() as Float32Array).forEach((value, i) => (values[map.row[i]] = value));
  return values;
}

/** The color of each object, as the canvas orders its bytes. */
const colors = computed<Uint32Array>(() => {
  const column = columns.value.get(colorBy.value);
  const count = summary.value?.objects ?? 0;
  const made = new Uint32Array(count).fill(packed(UNKNOWN));
  if (column?.kind === "names") {
    const table = nameColors(column).map(packed);
    for (let row = 0; row < count; row++) if (column.codes[row] >= 0) made[row] = table[column.codes[row]];
  } else if (column) {
    const paint = numberPainter(colorBy.value);
    const table = Uint32Array.from({ length: STEPS + 1 }, (_, step) => packed(paint(step / STEPS)));
    const share = numberShare(colorBy.value, column);
    for (let row = 0; row < count; row++) {
      const at = share(column.values[row]);
      if (!Number.isNaN(at)) made[row] = table[Math.round(at * STEPS)];
    }
  }
  return made;
});

/** Colors of a ramp or a cycle that are told apart. */
const STEPS = 255;

/** Return the points of a map as they are drawn; a selection computes no color anew. */
function drawnPoints(map: ReadonlySignal<MapPoints | null>): ReadonlySignal<Points | null> {
  const color = computed(() => {
    const painted = colors.value;
    if (!map.value) return null;
    const { row } = map.value;
    const made = new Uint32Array(row.length);
    for (let i = 0; i < row.length; i++) made[i] = painted[row[i]];
    return made;
  });
  return computed(() => {
    const shown = map.value;
    if (!shown) return null;
    const { row } = shown;
    const [passed, selected] = [passes.value, selection.value];
    const state = new Uint8Array(row.length);
    if (selected) for (let i = 0; i < row.length; i++) state[i] = passed[row[i]] ? (selected[row[i]] ? SELECTED : SHOWN) : FILTERED;
    else for (let i = 0; i < row.length; i++) state[i] = passed[row[i]] ? SHOWN : FILTERED;
    return { x: shown.x, y: shown.y, color: color.value!, state };
  });
}

export const drawn = drawnPoints(points);
export const otherDrawn = drawnPoints(otherPoints);

/** Return the color of each object by a column. Angles, whose name says so, have a cycle of colors. */
export function painter(name: string): (row: number) => Rgb {
  const column = columns.value.get(name);
  if (!column) return () => UNKNOWN;
  if (column.kind === "names") {
    const colors = nameColors(column);
    return (row) => colors[column.codes[row]] ?? UNKNOWN;
  }
  const [paint, share] = [numberPainter(name), numberShare(name, column)];
  return (row) => (Number.isNaN(column.values[row]) ? UNKNOWN : paint(share(column.values[row])));
}

/** Return the color of each name, the most frequent first on the palette. */
export function nameColors(column: Extract<Column, { kind: "names" }>): Rgb[] {
  const colors: Rgb[] = [];
  byFrequency(column).forEach((code, place) => (colors[code] = categoryColor(place)));
  return colors;
}

const numberPainter = (name: string) => (isAngle(name) ? cyclicColor : rampColor);

/** Return where a number is on its ramp or cycle, 0 to 1. */
function numberShare(name: string, { low, high }: Extract<Column, { kind: "numbers" }>): (value: number) => number {
  if (isAngle(name)) return (value) => (((value / 360) % 1) + 1) % 1;
  return (value) => (value - low) / (high - low || 1);
}

export const isAngle = (name: string) => summary.value?.angles.includes(name.replace("factor:", "")) ?? false;

/** Return the label of an object, by its row of the objects table. */
export function labelOf(row: number): string {
  const label = columns.value.get("label");
  return label?.kind === "names" ? label.names[label.codes[row]] : "";
}

/** Return the codes of a column's names, the most frequent first. */
export function byFrequency(column: Extract<Column, { kind: "names" }>): number[] {
  return column.names.map((_, code) => code).sort((a, b) => column.counts[b] - column.counts[a] || a - b);
}

export const packed = ([red, green, blue]: Rgb) => ((blue << 16) | (green << 8) | red) >>> 0;
export const mutedColor = packed(MUTED);

export const chosenCount = computed(() => {
  const all = chosen.value;
  let count = 0;
  for (let row = 0; row < all.length; row++) count += all[row];
  return count;
});

/** The column by whose numbers what is shown is listed, the largest or the smallest first; "" for the order of the store. */
export const listedBy = signal("");
export const largestFirst = signal(true);

/** Return the chosen objects of a map in the order that is asked for, by their rows of the objects table: `most` of them after `from`. */
export function chosenOnMap({ row }: MapPoints, from: number, most: number): number[] {
  const all = chosen.value;
  const by = columns.value.get(listedBy.value);
  if (by?.kind === "numbers") {
    const { values } = by;
    const sign = largestFirst.value ? -1 : 1;
    // What is not known comes last.
    const place = (one: number) => (Number.isNaN(values[one]) ? Infinity : sign * values[one]);
    return [...row].filter((one) => all[one]).sort((a, b) => place(a) - place(b) || a - b).slice(from, from + most);
  }
  const found: number[] = [];
  for (let i = 0; i < row.length && found.length < most; i++) if (all[row[i]] && from-- <= 0) found.push(row[i]);
  return found;
}

/** How many of the chosen objects the map has. */
export const chosenOnMapCount = computed(() => {
  const [map, all] = [points.value, chosen.value];
  if (!map) return 0;
  const { row } = map;
  let count = 0;
  for (let i = 0; i < row.length; i++) count += all[row[i]];
  return count;
});

/** Load the store, then its columns. */
export async function start(): Promise<void> {
  await guarded(async () => {
    const [loaded, table, kept, names] = await Promise.all([api.getSummary(), api.getColumns(), api.getMarks(), api.getSelections()]);
    const read = new Map<string, Column>();
    for (const name of table.names as string[]) read.set(name, readColumn(table.getChild(name)));
    marks.value = kept;
    selectionNames.value = names;
    const wanted = new URLSearchParams(location.hash.slice(1));
    batch(() => {
      columns.value = read;
      summary.value = loaded;
      metric.value = wanted.get("metric") === "euclidean" ? "euclidean" : "cosine";
      if (read.has(wanted.get("color") ?? "") || COMPUTED.has(wanted.get("color") ?? "")) colorBy.value = wanted.get("color")!;
      const known = loaded.spaces.map((one) => one.name);
      mapMethod.value = loaded.maps.includes("own") ? "own" : "pca";
      space.value = known.includes(wanted.get("space") ?? "") ? wanted.get("space")! : (loaded.default_space ?? "");
      const row = Number(wanted.get("object") ?? NaN);
      if (row >= 0 && row < loaded.objects) focus.value = row;
    });
  });
}

/** Mark an object, or (null) take its mark away. */
export const mark = (row: number, verdict: api.Verdict | null, label?: string) =>
  guarded(async () => {
    marks.value = await api.setMark(row, verdict, label);
  });

/** Run something that asks the server; what fails is shown as a sentence. */
export async function guarded(work: () => Promise<void>): Promise<void> {
  try {
    await work();
    failure.value = null;
  } catch (error) {
    failure.value = error instanceof Error ? error.message : String(error);
  }
}

/** Load the map whenever its space or method changes. */
effect(() => {
  const [name, method] = [space.value, mapMethod.value];
  if (!name) return;
  mapBusy.value = true;
  mapDone.value = 0;
  const asking = setInterval(() => method === "tsne" && api.getMapDone(name, method).then(({ done }) => (mapDone.value = done), () => {}), 500);
  guarded(async () => {
    const map = await loadedMap(name, method);
    if (space.peek() === name && mapMethod.peek() === method) points.value = map;
  }).finally(() => {
    clearInterval(asking);
    mapBusy.value = false;
  });
});

effect(() => {
  const [name, method] = [otherSpace.value, mapMethod.value];
  if (!name || name === space.value) {
    otherSpace.value = "";
    otherPoints.value = null;
    if (COMPUTED.get(colorBy.peek()) === "shared") colorBy.value = "label";
    return;
  }
  guarded(async () => {
    const map = await loadedMap(name, method);
    if (otherSpace.peek() === name && mapMethod.peek() === method) otherPoints.value = map;
  });
});

async function loadedMap(name: string, method: string): Promise<MapPoints> {
  const table = await api.getPoints(name, method);
  const column = (of: string) => table.getChild(of)!.toArray();
  return {
    space: name,
    method,
    row: new Int32Array(column("row") as Int32Array),
    x: new Float32Array(column("x") as Float32Array),
    y: new Float32Array(column("y") as Float32Array),
  };
}

/** Select some rows of the objects table. */
export function selectRows(rows: number[]): void {
  const marked = new Uint8Array(summary.value!.objects);
  for (const row of rows) marked[row] = 1;
  selection.value = marked;
}

/** Remember the object from which one walked on. */
let last: number | null = null;
effect(() => {
  before.value = last;
  last = focus.value;
});

if (SOURCE === "notebook") {
  let told: Uint8Array | null = null;
  shareSelection((rows) => {
    if (rows) selectRows(rows);
    else selection.value = null;
    told = selection.peek();
  });
  effect(() => {
    if (summary.value) tellReady();
  });
  effect(() => {
    const selected = selection.value;
    if (!summary.value || selected === told) return;
    told = selected;
    tellSelection(selected && [...selected.keys()].filter((row) => selected[row]));
  });
}

/** Return a bit for each of so many, the first the lowest of a byte. */
export function packedBits(count: number, bit: (place: number) => number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(count / 8));
  for (let i = 0; i < count; i++) bits[i >> 3] |= bit(i) << (i & 7);
  return bits;
}

let measuring: AbortController | null = null;
let soon = 0;

/** Measure what is chosen, whenever it changes: after the map is drawn, and not at each step of a slider. */
effect(() => {
  const [map, marked, distance] = [points.value, chosen.value, metric.value];
  if (!map || map.space !== space.value) return;
  measuring?.abort();
  clearTimeout(soon);
  soon = setTimeout(() => measureChosen(map, marked, distance), 50);
});

function measureChosen({ space: name, row }: MapPoints, marked: Uint8Array, distance: string): void {
  const controller = (measuring = new AbortController());
  const bits = packedBits(row.length, (i) => marked[row[i]]);
  if (!bits.some(Boolean)) {
    measured.value = null;
    measureError.value = "nothing is selected";
    return;
  }
  api.measure(name, distance, bits, controller.signal).then(
    (result) => {
      measured.value = result;
      measureError.value = null;
    },
    (error) => {
      if (controller.signal.aborted) return;
      measured.value = null;
      measureError.value = error.message;
    },
  );
}

/** Keep what is seen in the address, so that it can be bookmarked. */
effect(() => {
  if (!summary.value || SOURCE !== "server") return;
  const seen = new URLSearchParams({ space: space.value, metric: metric.value, color: colorBy.value });
  if (focus.value !== null) seen.set("object", String(focus.value));
  history.replaceState(null, "", `#${seen}`);
});
