/** Where the page's answers come from: a server, the page's own file, or the notebook that shows it. */
import { newPhotosInterval } from "./interval";

/** What the page was made as: see one_file.py and notebook.py. */
export const SOURCE = (globalThis.document?.documentElement.dataset.source ?? "server") as "server" | "file" | "notebook";

const failed = (sentence: string) => new Response(JSON.stringify({ error: sentence }), { status: 400 });

// ------------------------------------------------------------------------------------------------------- a file

/** The objects of one file: parts by name, each in base64, as one_file.py writes them. */
interface Held {
  json: Record<string, unknown>;
  bytes: Record<string, Uint8Array>;
}

interface HeldObject {
  row: number;
  image: number;
  xyxy: Box;
  label: string;
}

type Box = [number, number, number, number];

let held: Held | null = null;

function open(): Held {
  const read = JSON.parse(document.getElementById("data")!.textContent!) as { json: Held["json"]; bytes: Record<string, string> };
  const bytes = Object.fromEntries(Object.entries(read.bytes).map(([name, text]) => [name, decoded(text)]));
  return { json: read.json, bytes };
}

function decoded(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Answer as the server does, from what the file holds. */
export async function fromFile(path: string, query: URLSearchParams, init?: RequestInit): Promise<Response> {
  held ??= open();
  const { json, bytes } = held;
  const rows = () => query.get("rows")!.split(",").map(Number);
  const objects = json.objects as HeldObject[];
  const images = json.images as Record<string, unknown>[];
  const give = (value: unknown) => new Response(JSON.stringify(value));
  switch (path) {
    case "store": case "marks": case "selections": return give(json[path]);
    case "columns": case "points": return new Response(bytes[path] as BodyInit);
    case "values": return query.get("name") === "agreement" ? new Response(bytes.agreement as BodyInit) : failed(elsewhere("this color"));
    case "objects": return give(rows().map((row) => objects[row]));
    case "thumbnails": return new Response(thumbnails(bytes.thumbnails, rows()) as BodyInit);
    case "neighbors": return give(neighbors(json, bytes, Number(query.get("row")), Number(query.get("k")), init?.body as Uint8Array | null));
    case "image": {
      const image = Number(query.get("image"));
      return give({ ...images[image], objects: objects.filter((one) => one.image === image) });
    }
    case "object-at": {
      const image = Number(query.get("image"));
      return give({ row: smallestAt(objects.filter((one) => one.image === image), Number(query.get("x")), Number(query.get("y"))) });
    }
    case "measure": return give(measured(json, bytes, init!.body as Uint8Array));
    case "photo": return failed("the photo is not in this file, only its objects are");
    default: return failed(elsewhere("this"));
  }
}

const elsewhere = (what: string) => `${what} is not in this file; objectspace serve has it`;

function thumbnails(all: Uint8Array, rows: number[]): Uint8Array {
  const lengths = new DataView(all.buffer);
  const starts: number[] = [];
  for (let at = 0; at < all.length; at += 4 + lengths.getUint32(at, true)) starts.push(at);
  const parts = rows.map((row) => all.slice(starts[row], starts[row] + 4 + lengths.getUint32(starts[row], true)));
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Return the neighbors of an object that the file lists, of all or (a bit for each object) of some. */
function neighbors(json: Held["json"], bytes: Held["bytes"], row: number, k: number, among: Uint8Array | null): unknown {
  const width = json.neighbors as number;
  const [near, far] = [new Int32Array(bytes.neighbors.buffer), new Float32Array(bytes.distances.buffer)];
  const objects = json.objects as Record<string, unknown>[];
  const found = [];
  for (let rank = 0; rank < Math.min(k, width); rank++) {
    const other = near[row * width + rank];
    if (other >= 0 && (!among || among[other >> 3] & (1 << (other & 7)))) found.push({ ...objects[other], rank: rank + 1, distance: far[row * width + rank] });
  }
  const { default_space: space } = json.store as { default_space: string };
  return { space, metric: json.metric, exact: true, neighbors: found };
}

/** Return the row of the smallest object of a photo whose box holds a point; null for none. */
export function smallestAt(objects: { row: number; xyxy: Box }[], x: number, y: number): number | null {
  const area = ({ xyxy: [left, top, right, bottom] }: { xyxy: Box }) => (right - left) * (bottom - top);
  const inside = objects.filter(({ xyxy: [left, top, right, bottom] }) => left <= x && x < right && top <= y && y < bottom);
  return inside.sort((a, b) => area(a) - area(b))[0]?.row ?? null;
}

/** Return the purity of the chosen, its chance and its interval, as selection_measures.py does; that of all was computed for the file. */
function measured(json: Held["json"], bytes: Held["bytes"], bits: Uint8Array): unknown {
  const whole = json.measure as { k: number; all: { n: number }; labels: Record<string, { n: number }> };
  const [shares, chance] = [new Float32Array(bytes.shares.buffer), new Float32Array(bytes.chance.buffer)];
  const [without, block] = [new Float32Array(bytes.without.buffer), new Int32Array(bytes.block.buffer)];
  const objects = json.objects as HeldObject[];
  const rows = new Int32Array(bytes.rows.buffer);
  const chosen = [...rows.keys()].filter((i) => bits[i >> 3] & (1 << (i & 7)));
  if (chosen.length === rows.length) return whole;
  const estimate = (places: number[]) => {
    const value = places.reduce((sum, i) => sum + shares[i], 0) / places.length;
    const image = places.map((i) => objects[rows[i]].image);
    return {
      value,
      chance: places.reduce((sum, i) => sum + chance[i], 0) / places.length,
      ...newPhotosInterval(value, places, image, block, without),
      n: places.length,
      groups: new Set(image).size,
    };
  };
  const byLabel = new Map<string, number[]>();
  for (const i of chosen) {
    const label = objects[rows[i]].label;
    byLabel.set(label, [...(byLabel.get(label) ?? []), i]);
  }
  const labels = [...byLabel].sort((a, b) => b[1].length - a[1].length).slice(0, 12);
  const all = estimate(chosen);
  return { k: whole.k, images: all.groups, all, labels: Object.fromEntries(labels.map(([name, places]) => [name, estimate(places)])) };
}

// --------------------------------------------------------------------------------------------------- a notebook

interface Reply {
  id: number;
  status: number;
  body: ArrayBuffer;
}

const waiting = new Map<number, (reply: Reply) => void>();
let asked = 0;

/** Ask the kernel, by way of the widget around this frame. */
export async function fromNotebook(path: string, query: URLSearchParams, init?: RequestInit): Promise<Response> {
  const body = init?.body === undefined || init.body === null ? new ArrayBuffer(0) : await new Response(init.body).arrayBuffer();
  const id = ++asked;
  parent.postMessage({ objectspace: "ask", id, method: init?.method ?? "GET", path, query: query.toString(), body }, "*");
  const reply = await new Promise<Reply>((resolve) => waiting.set(id, resolve));
  return new Response(reply.body, { status: reply.status });
}

/** Keep a selection, as rows of the objects table or null, the same here and in the kernel. */
export function shareSelection(set: (rows: number[] | null) => void): void {
  addEventListener("message", ({ source, data }) => {
    if (source !== parent) return;
    if (data.objectspace === "reply") {
      waiting.get(data.id)?.(data);
      waiting.delete(data.id);
    } else if (data.objectspace === "select") set(data.rows);
  });
}

export const tellSelection = (rows: number[] | null) => parent.postMessage({ objectspace: "selected", rows }, "*");

/** Tell that the store is read, so that a selection can be set. */
export const tellReady = () => parent.postMessage({ objectspace: "ready" }, "*");
