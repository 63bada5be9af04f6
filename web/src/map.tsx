/** The map: drawn in a worker, panned, zoomed, hovered and lassoed. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "./api";
import { Dialog } from "./dialog";
import { pointAt, wholeView, type View } from "./draw";
import { pointsInside } from "./lasso";
import { css, cyclicColor, rampColor, type Rgb } from "./palette";
import {
  byFrequency, chosen, chosenCount, colorBy, COMPUTED, columns, drawn, focus, guarded, isAngle, mapBusy, mapMethod, mutedColor, painter, points,
  selection, selectionNames, summary,
} from "./state";

const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;

export function MapPanel() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ring = useRef<SVGCircleElement>(null);
  const overlay = useRef<SVGPolygonElement>(null);
  const view = useRef<View | null>(null);
  const seen = useRef<unknown>(null);
  const worker = useRef<Worker | null>(null);
  const busy = useRef(false);
  const again = useRef(false);
  const lassoing = useSignal(false);
  const naming = useSignal(false);
  const hovered = useSignal<{ row: number; x: number; y: number; picture: string } | null>(null);

  /** Put the ring around the object in focus where it is seen. */
  const mark = () => {
    const [map, at, element] = [points.peek(), view.current, canvas.current];
    const place = map && focus.peek() !== null ? map.row.indexOf(focus.peek()!) : -1;
    ring.current!.setAttribute("visibility", place < 0 || !at ? "hidden" : "visible");
    if (place < 0 || !map || !at || !element) return;
    const ratio = element.width / element.getBoundingClientRect().width;
    ring.current!.setAttribute("cx", String(((map.x[place] - at.centerX) * at.scale + at.width / 2) / ratio));
    ring.current!.setAttribute("cy", String(((at.centerY - map.y[place]) * at.scale + at.height / 2) / ratio));
  };

  const redraw = () => {
    mark();
    if (!view.current || !worker.current) return;
    if (busy.current) {
      again.current = true;
      return;
    }
    busy.current = true;
    worker.current.postMessage({ view: view.current, muted: mutedColor, ring: dark() ? 0xffffffff : 0xff000000 });
  };

  const fit = () => {
    const [shown, element] = [drawn.peek(), canvas.current];
    if (!shown || !element) return;
    const box = element.getBoundingClientRect();
    const ratio = Math.min(devicePixelRatio, 2);
    element.width = Math.max(1, Math.round(box.width * ratio));
    element.height = Math.max(1, Math.round(box.height * ratio));
    view.current = wholeView(shown.x, shown.y, element.width, element.height);
    redraw();
  };

  useEffect(() => {
    worker.current = new Worker("/static/worker.js", { type: "module" });
    worker.current.onmessage = ({ data }) => {
      busy.current = false;
      const element = canvas.current;
      if (element && data.view.width === element.width && data.view.height === element.height) {
        const image = new ImageData(new Uint8ClampedArray(data.pixels.buffer), data.view.width, data.view.height);
        element.getContext("2d")!.putImageData(image, 0, 0);
      }
      if (again.current) {
        again.current = false;
        redraw();
      }
    };
    if (drawn.peek()) worker.current.postMessage({ points: drawn.peek() });
    const observer = new ResizeObserver(fit);
    observer.observe(canvas.current!);
    return () => {
      observer.disconnect();
      worker.current?.terminate();
    };
  }, []);

  useSignalEffect(() => {
    const shown = drawn.value;
    if (!shown || !worker.current) return;
    worker.current.postMessage({ points: shown });
    if (seen.current !== points.peek()) {
      seen.current = points.peek();
      fit();
    } else redraw();
  });

  useSignalEffect(() => {
    if (focus.value !== null) mark();
  });

  const place = (event: MouseEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const ratio = canvas.current!.width / box.width;
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio] as const;
  };

  const down = (event: PointerEvent) => {
    if (!view.current || event.button !== 0) return;
    const element = canvas.current!;
    element.setPointerCapture(event.pointerId);
    const start = place(event);
    const from = view.current;
    const lasso = event.shiftKey || lassoing.value;
    const path: [number, number][] = [[start[0], start[1]]];
    let moved = false;
    hovered.value = null;
    element.onpointermove = (next) => {
      const [x, y] = place(next);
      moved ||= Math.hypot(x - start[0], y - start[1]) > 4;
      if (lasso) {
        path.push([x, y]);
        const ratio = element.width / element.getBoundingClientRect().width;
        overlay.current!.setAttribute("points", path.map(([a, b]) => `${a / ratio},${b / ratio}`).join(" "));
      } else if (moved) {
        view.current = {
          ...from,
          centerX: from.centerX - (x - start[0]) / from.scale,
          centerY: from.centerY + (y - start[1]) / from.scale,
        };
        redraw();
      }
    };
    element.onpointerup = (last) => {
      element.onpointermove = element.onpointerup = null;
      overlay.current!.setAttribute("points", "");
      if (lasso && moved) selectInside(path);
      else if (!moved) choose(...place(last));
    };
  };

  const toMap = (x: number, y: number): [number, number] => {
    const at = view.current!;
    return [(x - at.width / 2) / at.scale + at.centerX, at.centerY - (y - at.height / 2) / at.scale];
  };

  const selectInside = (path: [number, number][]) => {
    const map = points.value!;
    const inside = pointsInside(map.x, map.y, path.map(([x, y]) => toMap(x, y)));
    const marked = new Uint8Array(summary.value!.objects);
    inside.forEach((one, i) => (marked[map.row[i]] = one));
    selection.value = marked;
    lassoing.value = false;
  };

  const chosenRows = () => [...chosen.value.keys()].filter((row) => chosen.value[row]);

  const exportTable = () =>
    guarded(async () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await api.getTable(chosenRows()));
      link.download = "objects.csv";
      link.click();
      URL.revokeObjectURL(link.href);
    });

  const save = (name: string) =>
    guarded(async () => {
      await api.saveSelection(name, chosenRows());
      selectionNames.value = await api.getSelections();
    });

  const open = (name: string) => {
    if (!name) return;
    guarded(async () => {
      const { rows } = await api.getSelection(name);
      const marked = new Uint8Array(summary.value!.objects);
      for (const row of rows) marked[row] = 1;
      selection.value = marked;
    });
  };

  const found = (x: number, y: number) => {
    const shown = drawn.value;
    const at = shown && view.current ? pointAt(shown, view.current, x, y, 10) : -1;
    return at < 0 ? null : points.value!.row[at];
  };

  const choose = (x: number, y: number) => {
    const row = found(x, y);
    if (row !== null) focus.value = row;
  };

  const hover = async (event: PointerEvent) => {
    if (event.buttons) return;
    const row = found(...place(event));
    if (row === null) {
      hovered.value = null;
      return;
    }
    if (hovered.value?.row === row) return;
    const box = canvas.current!.getBoundingClientRect();
    const at = { row, x: event.clientX - box.left, y: event.clientY - box.top };
    hovered.value = { ...at, picture: "" };
    const [picture] = await api.getThumbnails([row]).catch(() => [""]);
    if (hovered.value?.row === row) hovered.value = { ...at, picture };
  };

  const zoom = (event: WheelEvent) => {
    event.preventDefault();
    const at = view.current;
    if (!at) return;
    const [x, y] = place(event);
    const [mapX, mapY] = toMap(x, y);
    const scale = at.scale * Math.exp(-event.deltaY / 400);
    view.current = {
      ...at,
      scale,
      centerX: mapX - (x - at.width / 2) / scale,
      centerY: mapY + (y - at.height / 2) / scale,
    };
    redraw();
  };

  const scaleBy = (factor: number) => {
    if (view.current) view.current = { ...view.current, scale: view.current.scale * factor };
    redraw();
  };

  const map = points.value;
  const text = map
    ? `Map of ${map.row.length} objects in space ${map.space}; ${chosenCount.value} are chosen. The sheet lists them.`
    : "The map is being computed.";
  return (
    <section class="map panel" aria-label="Map">
      <div class="bar">
        <Choice label="map" value={mapMethod.value} options={["pca", "tsne"]} names={["PCA", "t-SNE"]} set={(v) => (mapMethod.value = v as "pca")} />
        <Choice label="color" value={colorBy.value} options={[...new Set([...columns.value.keys(), ...COMPUTED.keys()])].filter((name) => name !== "image")} set={(v) => (colorBy.value = v)} />
        <button aria-pressed={lassoing.value} onClick={() => (lassoing.value = !lassoing.value)} title="or hold shift and drag">
          Lasso
        </button>
        <button onClick={fit}>Whole map</button>
        <button aria-label="zoom in" onClick={() => scaleBy(1.5)}>+</button>
        <button aria-label="zoom out" onClick={() => scaleBy(1 / 1.5)}>−</button>
        <button disabled={!selection.value} onClick={() => (selection.value = null)}>Clear selection</button>
        <button disabled={!selection.value || summary.value?.read_only} onClick={() => (naming.value = true)}>Save selection</button>
        <button disabled={!chosenCount.value} onClick={exportTable} title="ids, boxes and labels of what is selected, or shown">Export CSV</button>
        {selectionNames.value.length > 0 && <Choice label="open" value="" options={["", ...selectionNames.value]} names={["a selection …"]} set={open} />}
        <span class="grow" />
        <span>{chosenCount.value.toLocaleString("en")} of {summary.value?.objects.toLocaleString("en")} {selection.value ? "selected" : "shown"}</span>
      </div>
      <div class="canvas">
        <canvas ref={canvas} role="img" aria-label={text} onPointerDown={down} onPointerMove={hover}
          onPointerLeave={() => (hovered.value = null)} onWheel={zoom} class={lassoing.value ? "lassoing" : ""} />
        <svg aria-hidden="true"><polygon ref={overlay} points="" /><circle ref={ring} r="9" visibility="hidden" /></svg>
        {naming.value && <Dialog question={{ title: "Save the selection as", answer: "", done: save }} close={() => (naming.value = false)} />}
        {mapBusy.value && <p class="busy" role="status">computing the map …</p>}
        {hovered.value && <Hover {...hovered.value} />}
        <Legend />
      </div>
    </section>
  );
}

function Hover({ row, x, y, picture }: { row: number; x: number; y: number; picture: string }) {
  const label = columns.value.get("label");
  const score = columns.value.get("score");
  const name = label?.kind === "names" ? label.names[label.codes[row]] : "";
  const sure = score?.kind === "numbers" ? score.values[row] : NaN;
  const own = colorBy.value === "label" ? "" : ` · ${colorBy.value.replace("factor:", "")} ${valueText(colorBy.value, row)}`;
  return (
    <figure class="hover" style={{ left: `${x + 14}px`, top: `${y + 14}px` }}>
      {picture && <img src={picture} alt="" />}
      <figcaption>{name}{Number.isNaN(sure) ? "" : ` ${sure.toFixed(2)}`}{own}</figcaption>
    </figure>
  );
}

function valueText(name: string, row: number): string {
  const column = columns.value.get(name);
  if (!column) return "";
  if (column.kind === "names") return column.names[column.codes[row]] ?? "unknown";
  return Number.isNaN(column.values[row]) ? "unknown" : String(Math.round(column.values[row] * 100) / 100);
}

function Legend() {
  const column = columns.value.get(colorBy.value);
  if (!column) return null;
  if (column.kind === "names") {
    const order = byFrequency(column);
    const paint = painter(colorBy.value);
    const first = (code: number) => paint(column.codes.indexOf(code));
    return (
      <ul class="legend" aria-label={`colors of ${colorBy.value}`}>
        {order.slice(0, 12).map((code) => <Entry key={code} color={first(code)} text={column.names[code]} />)}
        {order.length > 12 && <li>and {order.length - 12} more</li>}
      </ul>
    );
  }
  const stops = Array.from({ length: 13 }, (_, i) => i / 12);
  const paint = gradient(colorBy.value);
  const angle = isAngle(colorBy.value);
  return (
    <div class="legend ramp">
      <span>{angle ? "0°" : Math.round(column.low * 100) / 100}</span>
      <i style={{ background: `linear-gradient(90deg, ${stops.map((stop) => css(paint(stop))).join(", ")})` }} />
      <span>{angle ? "360°" : Math.round(column.high * 100) / 100}</span>
    </div>
  );
}

const gradient = (name: string) => (isAngle(name) ? cyclicColor : rampColor);

const Entry = ({ color, text }: { color: Rgb; text: string }) => (
  <li><i style={{ background: css(color) }} />{text}</li>
);

export function Choice(props: { label: string; value: string; options: string[]; names?: string[]; set: (value: string) => void }) {
  return (
    <label>
      {props.label}{" "}
      <select value={props.value} onChange={(event) => props.set(event.currentTarget.value)}>
        {props.options.map((option, i) => (
          <option key={option} value={option}>{props.names?.[i] ?? option.replace("factor:", "")}</option>
        ))}
      </select>
    </label>
  );
}
