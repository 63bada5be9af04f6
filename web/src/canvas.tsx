/** One map: drawn in a worker, panned, zoomed, hovered and lassoed. */
import { useSignal, useSignalEffect, type ReadonlySignal, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "./api";
import { FILTERED, pointAt, wholeView, type Points, type View } from "./draw";
import { pointsInside } from "./lasso";
import { colorBy, columns, focus, labelOf, mutedColor, selection, summary, type MapPoints } from "./state";
import DrawWorker from "./worker?worker&inline";

const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;

/** Pixels from a point within which it is hovered or clicked. */
const REACH = 15;

/** Points in view from which their pictures are shown in place of nothing, and the side of a picture in pixels. */
const MOST_PICTURES = 60;
const SIDE = 44;

/** What the buttons beside the maps do to each. */
export interface Controls {
  fit: () => void;
  scaleBy: (factor: number) => void;
}

interface Picture {
  row: number;
  x: number;
  y: number;
  address: string;
}

export function Canvas({ map, drawn, lassoing, text, controls }: {
  map: ReadonlySignal<MapPoints | null>;
  drawn: ReadonlySignal<Points | null>;
  lassoing: Signal<boolean>;
  text: string;
  controls: Set<Controls>;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ring = useRef<SVGCircleElement>(null);
  const overlay = useRef<SVGPolygonElement>(null);
  const view = useRef<View | null>(null);
  const sent = useRef<Points | null>(null);
  const worker = useRef<Worker | null>(null);
  const busy = useRef(false);
  const again = useRef(false);
  const settled = useRef(0);
  const hovered = useSignal<{ row: number; x: number; y: number; picture: string } | null>(null);
  const pictures = useSignal<Picture[]>([]);

  const ratio = () => canvas.current!.width / canvas.current!.getBoundingClientRect().width;

  /** Put the ring around the object in focus where it is seen. */
  const mark = () => {
    const [points, at] = [map.peek(), view.current];
    const place = points && focus.peek() !== null ? points.row.indexOf(focus.peek()!) : -1;
    ring.current!.setAttribute("visibility", place < 0 || !at ? "hidden" : "visible");
    if (place < 0 || !points || !at) return;
    ring.current!.setAttribute("cx", String(((points.x[place] - at.centerX) * at.scale + at.width / 2) / ratio()));
    ring.current!.setAttribute("cy", String(((at.centerY - points.y[place]) * at.scale + at.height / 2) / ratio()));
  };

  const redraw = () => {
    mark();
    pictures.value = [];
    clearTimeout(settled.current);
    if (!view.current || !worker.current) return;
    settled.current = setTimeout(showPictures, 250);
    if (busy.current) {
      again.current = true;
      return;
    }
    busy.current = true;
    worker.current.postMessage({ view: view.current, muted: mutedColor, ring: dark() ? 0xffffffff : 0xff000000 });
  };

  /** Show the objects themselves where the view is so close that there are few. */
  const showPictures = async () => {
    const [points, shown, at] = [map.peek(), drawn.peek(), view.current];
    if (!points || !shown || !at || !canvas.current) return;
    const found: Picture[] = [];
    for (let i = 0; i < points.row.length; i++) {
      const x = (points.x[i] - at.centerX) * at.scale + at.width / 2;
      const y = (at.centerY - points.y[i]) * at.scale + at.height / 2;
      if (!(x > 0 && y > 0 && x < at.width && y < at.height) || shown.state[i] === FILTERED) continue;
      if (found.length === MOST_PICTURES) return;
      found.push({ row: points.row[i], x: x / ratio(), y: y / ratio(), address: "" });
    }
    // On the whole map of a small store the points say more than pictures that cover each other.
    const whole = wholeView(shown.x, shown.y, at.width, at.height);
    if (!found.length || at.scale < 2 * whole.scale) return;
    const loaded = await api.getThumbnails(found.map((one) => one.row)).catch(() => null);
    if (loaded && view.current === at) pictures.value = found.map((one, i) => ({ ...one, address: loaded[i] }));
    else loaded?.forEach(URL.revokeObjectURL);
  };

  /** Give the canvas a pixel for each of the screen's. */
  const measure = () => {
    const element = canvas.current!;
    const box = element.getBoundingClientRect();
    const device = Math.min(devicePixelRatio, 2);
    element.width = Math.max(1, Math.round(box.width * device));
    element.height = Math.max(1, Math.round(box.height * device));
    return { width: element.width, height: element.height };
  };

  const fit = () => {
    const shown = drawn.peek();
    if (!shown || !canvas.current) return;
    const { width, height } = measure();
    view.current = wholeView(shown.x, shown.y, width, height);
    redraw();
  };

  /** Keep what is seen in the middle when the window, or a panel beside the map, changes its size. */
  const resize = () => {
    const at = view.current;
    if (!at || !canvas.current) return fit();
    const { width, height } = measure();
    view.current = { ...at, width, height, scale: at.scale * Math.min(width / at.width, height / at.height) };
    redraw();
  };

  /** Zoom about the object in focus, or else about the middle. */
  const scaleBy = (factor: number) => {
    const [at, points] = [view.current, map.peek()];
    if (!at || !points) return;
    const place = focus.peek() === null ? -1 : points.row.indexOf(focus.peek()!);
    const center = place < 0 || Number.isNaN(points.x[place]) ? {} : { centerX: points.x[place], centerY: points.y[place] };
    view.current = { ...at, ...center, scale: at.scale * factor };
    redraw();
  };

  useEffect(() => {
    worker.current = new DrawWorker();
    worker.current.onmessage = ({ data }) => {
      busy.current = false;
      const element = canvas.current;
      if (element && data.view.width === element.width && data.view.height === element.height) {
        const image = new ImageData(new Uint8ClampedArray(data.pixels.buffer), data.view.width, data.view.height);
        element.getContext("2d")!.putImageData(image, 0, 0);
        element.dataset.drawn = String(Math.round(performance.now()));
      }
      if (again.current) {
        again.current = false;
        redraw();
      }
    };
    const observer = new ResizeObserver(resize);
    observer.observe(canvas.current!);
    const own = { fit, scaleBy };
    controls.add(own);
    return () => {
      controls.delete(own);
      clearTimeout(settled.current);
      observer.disconnect();
      worker.current?.terminate();
    };
  }, []);

  useSignalEffect(() => {
    const shown = drawn.value;
    if (!shown || !worker.current) return;
    const before = sent.current;
    sent.current = shown;
    if (before?.x !== shown.x) {
      worker.current.postMessage({ points: shown });
      fit();
    } else {
      // Only what has changed is copied to the worker.
      const { state, color } = shown;
      worker.current.postMessage({ points: color === before.color ? { state } : { state, color } });
      redraw();
    }
  });

  useSignalEffect(() => {
    if (focus.value !== null) mark();
  });

  useSignalEffect(() => {
    const addresses = pictures.value.map((one) => one.address);
    return () => addresses.forEach(URL.revokeObjectURL);
  });

  const place = (event: MouseEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    return [(event.clientX - box.left) * ratio(), (event.clientY - box.top) * ratio()] as const;
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
        overlay.current!.setAttribute("points", path.map(([a, b]) => `${a / ratio()},${b / ratio()}`).join(" "));
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
    const points = map.value!;
    const inside = pointsInside(points.x, points.y, path.map(([x, y]) => toMap(x, y)));
    const marked = new Uint8Array(summary.value!.objects);
    const { row } = points;
    for (let i = 0; i < row.length; i++) marked[row[i]] = inside[i];
    selection.value = marked;
    lassoing.value = false;
  };

  const found = (x: number, y: number) => {
    const shown = drawn.value;
    const at = shown && view.current ? pointAt(shown, view.current, x, y, REACH * ratio()) : -1;
    return at < 0 ? null : map.value!.row[at];
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

  return (
    <div class="canvas">
      <canvas ref={canvas} role="img" aria-label={text} onPointerDown={down} onPointerMove={hover}
        onPointerLeave={() => (hovered.value = null)} onWheel={zoom} class={lassoing.value ? "lassoing" : ""} />
      <div class="pictures" aria-hidden="true">
        {pictures.value.map((one) => <img key={one.row} src={one.address} alt="" style={{ left: `${one.x - SIDE / 2}px`, top: `${one.y - SIDE / 2}px` }} />)}
      </div>
      <svg aria-hidden="true"><polygon ref={overlay} points="" /><circle ref={ring} r="9" visibility="hidden" /></svg>
      {hovered.value && <Hover {...hovered.value} />}
    </div>
  );
}

function Hover({ row, x, y, picture }: { row: number; x: number; y: number; picture: string }) {
  const score = columns.value.get("score");
  const sure = score?.kind === "numbers" ? score.values[row] : NaN;
  const own = colorBy.value === "label" ? "" : ` · ${colorBy.value.replace("factor:", "")} ${valueText(colorBy.value, row)}`;
  return (
    <figure class="hover" style={{ left: `${x + 14}px`, top: `${y + 14}px` }}>
      {picture && <img src={picture} alt="" />}
      <figcaption>{labelOf(row)}{Number.isNaN(sure) ? "" : ` ${sure.toFixed(2)}`}{own}</figcaption>
    </figure>
  );
}

function valueText(name: string, row: number): string {
  const column = columns.value.get(name);
  if (!column) return "";
  if (column.kind === "names") return column.names[column.codes[row]] ?? "unknown";
  return Number.isNaN(column.values[row]) ? "unknown" : String(Math.round(column.values[row] * 100) / 100);
}
