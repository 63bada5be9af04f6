/** What the page asks of its source. Every answer that is no success is an error with the source's sentence. */
import { tableFromIPC } from "@uwdata/flechette";
import { fromFile, fromNotebook, SOURCE } from "./sources";

export interface SpaceInfo {
  name: string;
  count: number;
  dimension: number;
  route: string;
  window: number | null;
  stride: number | null;
}

export interface Summary {
  name: string;
  version: string;
  read_only: boolean;
  images: number;
  objects: number;
  labels: Record<string, number>;
  failures: number;
  factors: string[];
  /** Names of factors whose numbers are angles, of 360 degrees. */
  angles: string[];
  default_space: string | null;
  /** Spaces that can be searched by words. */
  text_spaces: string[];
  maps: string[];
  spaces: SpaceInfo[];
}

export interface ObjectInfo {
  row: number;
  object_id: string;
  label: string;
  score: number | null;
  xyxy: [number, number, number, number];
  source: string;
  stride: number | null;
  cell: [number, number] | null;
  factors: Record<string, string | number>;
  image: number;
  path: string;
}

export interface Neighbor {
  rank: number;
  row: number;
  image: number;
  path: string;
  object_id: string;
  label: string;
  score: number | null;
  distance: number;
  parts?: Record<string, { cosine: number; similarity: number }>;
}

export interface Answer {
  space: string;
  metric: string;
  exact: boolean;
  neighbors: Neighbor[];
}

/** Left, top, right, bottom in pixels of a picture. */
export type Box = [number, number, number, number];

export interface MaskRuns {
  box: [number, number, number, number];
  runs: number[];
}

/** The grid of the head that found an object: the detector's input in pixels of the photo, and its cells. */
export interface GridInfo {
  xyxy: [number, number, number, number];
  columns: number;
  rows: number;
}

export interface PhotoInfo {
  image: number;
  path: string;
  width: number;
  height: number;
  objects: (Omit<ObjectInfo, "image" | "path"> & { mask: MaskRuns | null; grid: GridInfo | null; /** Why there is no grid. */ no_grid: string | null })[];
}

/** How far the score of a prediction falls, on average over the zeroed windows that cover each cell. */
export interface Heat {
  score: number;
  xyxy: [number, number, number, number];
  columns: number;
  rows: number;
  fall: number[];
  windows: number;
  disappears: number;
  smallest: number | null;
}

export interface Estimate {
  value: number;
  chance: number;
  low: number | null;
  high: number | null;
  n: number;
  groups: number;
  /** Why there is no interval. */
  no_interval: string | null;
}

export interface SelectionMeasure {
  k: number;
  images: number;
  all: Estimate;
  labels: Record<string, Estimate>;
}

type Parameters = Record<string, string | number | undefined>;

const fromServer = (path: string, query: URLSearchParams, init?: RequestInit) => fetch(`/api/${path}?${query}`, init);
const respond = SOURCE === "file" ? fromFile : SOURCE === "notebook" ? fromNotebook : fromServer;

async function ask(path: string, parameters: Parameters = {}, init?: RequestInit): Promise<Response> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  let response: Response;
  try {
    response = await respond(path, query, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Error("the server does not answer; is objectspace serve still running?");
  }
  if (!response.ok) throw new Error(await sentence(response));
  return response;
}

async function sentence(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return JSON.parse(text).error ?? text;
  } catch {
    return text || `the server answered ${response.status}`;
  }
}

const json = async <T>(path: string, parameters?: Parameters, init?: RequestInit): Promise<T> =>
  (await ask(path, parameters, init)).json();

const arrow = async (path: string, parameters?: Parameters) =>
  tableFromIPC(await (await ask(path, parameters)).arrayBuffer());

export const getSummary = () => json<Summary>("store");
export const getColumns = () => arrow("columns");
export const getPoints = (space: string, map: string) => arrow("points", { space, map });
export const getMapDone = (space: string, map: string) => json<{ done: number }>("map-done", { space, map });
export const getValues = (name: string, space: string, metric: string, map: string, other?: string) =>
  arrow("values", { name, space, metric, map, other });
export const getObjects = (rows: number[]) => json<ObjectInfo[]>("objects", { rows: rows.join(",") });
export const getPhoto = (image: number) => json<PhotoInfo>("image", { image });
/** The address of a photo that was fetched; who asks revokes it. */
export const getPhotoPicture = async (image: number) =>
  URL.createObjectURL(await (await ask("photo", { image })).blob());

/** The nearest of an object, among all or (a bit for each object of the table) some. */
export const getNeighbors = (row: number, space: string, metric: string, k: number, sameImage: boolean, among: Uint8Array | null) =>
  json<Answer>("neighbors", { row, space, metric, k, same_image: sameImage ? 1 : 0 }, { method: "POST", body: among as BodyInit | null });

export const getExamples = (like: number[], unlike: number[], space: string, metric: string, k: number, sameImage: boolean) =>
  post<Answer>("examples", { space, metric, k, same_image: sameImage ? 1 : 0 }, { like, unlike });
export const getWords = (text: string, space: string, k: number) => json<Answer>("words", { text, space, k });
export const getPicture = (picture: Blob, box: Box | null, space: string, metric: string, k: number) =>
  json<Answer>("picture", { space, metric, k, box: box?.join(",") }, { method: "POST", body: picture });

/** What the network saw of an object, and the share of each cell in a distance, row by row. */
export interface CellHeat {
  picture: string;
  width: number;
  height: number;
  rows: number;
  columns: number;
  heat: number[];
}

export interface Explanation {
  space: string;
  metric: string;
  method: "sum" | "occlusion";
  distance: number;
  total: number;
  cells: CellHeat[];
  parts: Record<string, Explanation>;
}

export const getExplanation = (first: number, second: number, space: string, metric: string) =>
  json<Explanation>("explanation", { first, second, space, metric });

/** The heat of an object's prediction, or the share of the work that is done. */
export const getOcclusion = (row: number) => json<Heat | { done: number }>("occlusion", { row });

/** The object that a click on a photo is, in a space where there are several of it. */
export const getObjectAt = (image: number, x: number, y: number, space: string) =>
  json<{ row: number | null }>("object-at", { image, x, y, space });

export const measure = (space: string, metric: string, bits: Uint8Array, signal: AbortSignal) =>
  json<SelectionMeasure>("measure", { space, metric }, { method: "POST", body: bits as BodyInit, signal });

export type Verdict = "right" | "wrong" | "relabeled" | "skipped";

export interface Mark {
  verdict: Verdict;
  label?: string;
  made: string;
}

/** Marks by the row of their object. */
export type Marks = Record<string, Mark>;

export interface Share {
  value: number;
  low: number | null;
  high: number | null;
  n: number;
}

export interface Doubtful {
  objects: { row: number; label: string; proposed: string; score: number }[];
  score: string;
  listed: number | null;
  n: number;
  calibration: {
    planted: string;
    kinds: { kind: string; found: Share; first: Record<string, Share> }[];
    false_alarms: Share;
  } | null;
}

const post = <T>(path: string, parameters: Parameters, body: unknown) =>
  json<T>(path, parameters, { method: "POST", body: JSON.stringify(body) });

export const getSelections = () => json<string[]>("selections");
export const getSelection = (name: string) => json<{ name: string; rows: number[] }>("selection", { name });
export const saveSelection = (name: string, rows: number[]) =>
  post<{ name: string; objects: number }>("selection", { name }, rows);
export const getTable = async (rows: number[]) =>
  (await ask("rows.csv", {}, { method: "POST", body: JSON.stringify(rows) })).blob();
export const getCorrected = async (format: string) => (await ask("corrected", { format })).blob();

/** Hand a file to the browser to be saved. */
export function download(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
export const getMarks = () => json<Marks>("marks");
export const setMark = (row: number, verdict: Verdict | null, label?: string) =>
  post<Marks>("marks", {}, { row, verdict, label });
export const getDoubtful = (space: string) => json<Doubtful>("doubtful", { space });
/** The share of the judging that is done; 0 while neighbors are looked for. */
export const getDoubtfulDone = (space: string) => json<{ done: number }>("doubtful-done", { space });

/** Return the thumbnails of some objects as addresses of images, in their order. */
export async function getThumbnails(rows: number[]): Promise<string[]> {
  if (!rows.length) return [];
  const data = await (await ask("thumbnails", { rows: rows.join(",") })).arrayBuffer();
  const lengths = new DataView(data);
  const addresses = [];
  for (let at = 0; at < data.byteLength; ) {
    const length = lengths.getUint32(at, true);
    const jpeg = new Blob([data.slice(at + 4, at + 4 + length)], { type: "image/jpeg" });
    addresses.push(URL.createObjectURL(jpeg));
    at += 4 + length;
  }
  return addresses;
}
