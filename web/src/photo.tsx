/** The photo of the object in focus: boxes, masks, the detector's grid; a click goes to the object there. */
import { useSignal, useSignalEffect, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "./api";
import { css } from "./palette";
import { addExample } from "./sheet";
import { smallestAt, SOURCE } from "./sources";
import { before, columns, focus, guarded, like, metric, pair, painter, space, unlike } from "./state";
import { Why } from "./why";

export function Photo() {
  const shown = useSignal<api.PhotoInfo | null>(null);
  const missing = useSignal<string | null>(null);
  const layers = useSignal({ boxes: true, masks: false, grid: false, occlusion: false });
  const heat = useSignal<Heated | null>(null);
  const picture = useSignal("");
  const pointed = useSignal<number | null>(null);

  useSignalEffect(() => {
    const [row, image] = [focus.value, columns.value.get("image")];
    if (row === null || image?.kind !== "numbers") return;
    const place = image.values[row];
    if (shown.peek()?.image === place) return;
    missing.value = null;
    guarded(async () => {
      shown.value = await api.getPhoto(place);
      URL.revokeObjectURL(picture.peek());
      picture.value = "";
      try {
        const loaded = await api.getPhotoPicture(place);
        if (shown.peek()?.image === place) picture.value = loaded;
      } catch (error) {
        if (shown.peek()?.image === place) missing.value = (error as Error).message;
      }
    });
  });

  useSignalEffect(() => {
    const row = focus.value;
    if (!layers.value.occlusion || row === null) heat.value = null;
    else if (heat.peek()?.row !== row) occlude(row, heat);
  });

  useEffect(() => {
    const toggle = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
      const layer = { b: "boxes", m: "masks", g: "grid", o: "occlusion" }[event.key.toLowerCase()] as keyof typeof layers.value;
      if (layer && SOURCE === "file" && layer !== "boxes") return;
      if (layer && !event.ctrlKey && !event.metaKey) layers.value = { ...layers.value, [layer]: !layers.value[layer] };
    };
    addEventListener("keydown", toggle);
    return () => removeEventListener("keydown", toggle);
  }, []);

  const photo = shown.value;
  const own = photo?.objects.find((one) => one.row === focus.value);
  const toggled = (name: keyof typeof layers.value) => () => (layers.value = { ...layers.value, [name]: !layers.value[name] });
  return (
    <section class="photo panel" aria-label="Photo">
      <div class="bar">
        <button aria-pressed={layers.value.boxes} title="the box of each object" onClick={toggled("boxes")}><u>B</u>oxes</button>
        {SOURCE !== "file" && (
          <>
            <button aria-pressed={layers.value.masks} title="the pixels of each object, where they are known" onClick={toggled("masks")}><u>M</u>asks</button>
            <button aria-pressed={layers.value.grid} title="the cells in which the detector looks, and the one that found this object" onClick={toggled("grid")}><u>G</u>rid</button>
            <button aria-pressed={layers.value.occlusion} title="where a black square costs this prediction its score; takes seconds to minutes" onClick={toggled("occlusion")}><u>O</u>cclusion</button>
          </>
        )}
        <span class="grow" />
        <span class="quiet path" title={photo?.path}>{photo?.path.split(/[/\\]/).pop()}</span>
      </div>
      {!photo && <p class="empty">Choose an object, by a click on the map or in the sheet: its photo comes here.</p>}
      {photo && (
        <div class="picture" style={{ aspectRatio: `${photo.width} / ${photo.height}` }}>
          {picture.value && <img src={picture.value} alt={`photo ${photo.path}`} />}
          <Overlay photo={photo} layers={layers.value} heat={heat.value?.row === focus.value ? heat.value.shown : null} pointed={pointed} />
          {missing.value && <p class="missing" role="alert">{missing.value}</p>}
        </div>
      )}
      {heat.value && <HeatText heated={heat.value} />}
      {layers.value.masks && photo && !photo.objects.some((one) => one.mask) && <p class="missing-layer" role="status">No masks: the objects of this photo have boxes alone.</p>}
      {layers.value.grid && own?.no_grid && <p class="missing-layer" role="status">No grid: {own.no_grid}.</p>}
      {own && SOURCE !== "file" && (
        <div class="bar actions">
          <button onClick={() => addExample(like, own.row)}>Like this</button>
          <button onClick={() => addExample(unlike, own.row)}>Unlike this</button>
          {before.value !== null && <button onClick={() => (pair.value = [before.value!, own.row])}>Why near the one before?</button>}
        </div>
      )}
      {pair.value && <Why first={pair.value[0]} second={pair.value[1]} space={space.value} metric={metric.value} close={() => (pair.value = null)} />}
      {photo && (
        <ul class="objects" aria-label="objects of this photo">
          {photo.objects.map((one, place) => (
            <li key={one.row}>
              <button aria-pressed={one.row === focus.value} onClick={() => (focus.value = one.row)}
                onMouseEnter={() => (pointed.value = one.row)} onMouseLeave={() => (pointed.value = null)}>
                {objectName(one, place)}
              </button>
            </li>
          ))}
        </ul>
      )}
      {own && (
        <dl>
          <dt>object</dt><dd><code>{own.object_id}</code></dd>
          <dt>source</dt><dd>{own.source}{own.stride !== null && `, stride ${own.stride}`}{own.cell && `, cell ${own.cell.join(", ")}`}</dd>
          {Object.entries(own.factors).map(([name, value]) => [<dt key={`${name}-name`}>{name}</dt>, <dd key={name}>{typeof value === "number" ? Number(value.toPrecision(5)) : value}</dd>])}
        </dl>
      )}
    </section>
  );
}

/** The name of an object of a photo, on its button and at its box: objects of one label are told apart. */
const objectName = (one: api.PhotoInfo["objects"][number], place: number) => `${place + 1} ${one.label}${one.score === null ? "" : ` ${one.score.toFixed(2)}`}`;

/** The occlusion of one object: how far it is computed, then its heat, or a sentence. */
interface Heated {
  row: number;
  done: number;
  shown: api.Heat | null;
  error: string | null;
}

async function occlude(row: number, heat: { value: Heated | null }): Promise<void> {
  heat.value = { row, done: 0, shown: null, error: null };
  const wanted = () => heat.value?.row === row;
  while (wanted()) {
    try {
      const answer = await api.getOcclusion(row);
      if (!wanted()) return;
      if (!("done" in answer)) {
        heat.value = { row, done: 1, shown: answer, error: null };
        return;
      }
      heat.value = { row, done: answer.done, shown: null, error: null };
    } catch (error) {
      if (wanted()) heat.value = { row, done: 0, shown: null, error: (error as Error).message };
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}

function HeatText({ heated }: { heated: Heated }) {
  const { shown, error, done } = heated;
  if (error) return <p class="heat" role="alert">No occlusion: {error}</p>;
  if (!shown) return <p class="heat"><label>black squares over the photo, one after the other <progress max={1} value={done} /></label></p>;
  const most = Math.max(...shown.fall);
  const gone = shown.disappears
    ? `it disappears under ${shown.disappears} of ${shown.windows} squares`
    : `it disappears under none of ${shown.windows} squares`;
  return (
    <p class="heat">
      Occlusion of a prediction of score {shown.score.toFixed(2)}: {gone}. <i class="fall" /> covering costs score, on average at most {Math.max(most, 0).toFixed(2)}; <i class="gain" /> raises it.
    </p>
  );
}

interface Layers {
  boxes: boolean;
  masks: boolean;
  grid: boolean;
}

function Overlay({ photo, layers, heat, pointed }: { photo: api.PhotoInfo; layers: Layers; heat: api.Heat | null; pointed: Signal<number | null> }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current!;
    element.width = photo.width;
    element.height = photo.height;
    if (layers.masks) drawMasks(element, photo);
  }, [photo, layers.masks]);
  const paint = painter("label");
  const own = photo.objects.find((one) => one.row === focus.value);
  const named = photo.objects.findIndex((one) => one.row === pointed.value);
  const line = Math.max(photo.width, photo.height) / 300;
  const at = (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * photo.width, ((event.clientY - box.top) / box.height) * photo.height] as const;
  };
  const click = (event: MouseEvent) => {
    const [x, y] = at(event);
    guarded(async () => {
      const { row } = await api.getObjectAt(photo.image, x, y, space.value);
      if (row !== null) focus.value = row;
    });
  };
  return (
    <>
      <canvas ref={canvas} aria-hidden="true" />
      <svg viewBox={`0 0 ${photo.width} ${photo.height}`} onClick={click} onMouseMove={(event) => (pointed.value = smallestAt(photo.objects, ...at(event)))}
        onMouseLeave={() => (pointed.value = null)} aria-hidden="true">
        {heat && <HeatCells heat={heat} />}
        {layers.grid && own?.grid && <Grid grid={own.grid} cell={own.cell} />}
        {layers.boxes && photo.objects.map((one) => {
          const [x1, y1, x2, y2] = one.xyxy;
          const chosen = one.row === focus.value || one.row === pointed.value;
          return (
            <g key={one.row}>
              {chosen && <rect x={x1} y={y1} width={x2 - x1} height={y2 - y1} class="halo" stroke-width={line * 3} />}
              <rect x={x1} y={y1} width={x2 - x1} height={y2 - y1} fill="none" stroke={css(paint(one.row))} stroke-width={chosen ? line * 1.6 : line} />
            </g>
          );
        })}
      </svg>
      {named >= 0 && <NameTag photo={photo} place={named} />}
    </>
  );
}

/** The name of an object at the upper edge of its box, inside the photo. */
function NameTag({ photo, place }: { photo: api.PhotoInfo; place: number }) {
  const one = photo.objects[place];
  const [left, top] = [one.xyxy[0] / photo.width, one.xyxy[1] / photo.height];
  const across = left < 0.5 ? { left: `${100 * Math.max(0, left)}%` } : { right: `${100 * Math.max(0, 1 - one.xyxy[2] / photo.width)}%` };
  return <span class="tag" aria-hidden="true" style={{ ...across, top: `max(0px, ${100 * top}% - 20px)` }}>{objectName(one, place)}</span>;
}

/** Cells of which covering costs the prediction score, or (in the other color) raises it. */
function HeatCells({ heat }: { heat: api.Heat }) {
  const [x1, y1, x2, y2] = heat.xyxy;
  const [across, down] = [(x2 - x1) / heat.columns, (y2 - y1) / heat.rows];
  const most = Math.max(0.05, ...heat.fall.map(Math.abs));
  return (
    <g class="cells">
      {heat.fall.map((fall, at) => (
        <rect key={at} class={fall > 0 ? "fall" : "gain"} fill-opacity={0.8 * Math.abs(fall) / most} width={across} height={down}
          x={x1 + (at % heat.columns) * across} y={y1 + Math.floor(at / heat.columns) * down} />
      ))}
    </g>
  );
}

/** The grid of the head that found the object in focus, and the cell that is responsible for it. */
function Grid({ grid, cell }: { grid: api.GridInfo; cell: [number, number] | null }) {
  const [x1, y1, x2, y2] = grid.xyxy;
  const [across, down] = [(x2 - x1) / grid.columns, (y2 - y1) / grid.rows];
  const lines = (count: number) => Array.from({ length: count + 1 }, (_, place) => place);
  return (
    <g class="grid">
      {lines(grid.columns).map((at) => <line key={`x${at}`} x1={x1 + at * across} x2={x1 + at * across} y1={y1} y2={y2} />)}
      {lines(grid.rows).map((at) => <line key={`y${at}`} y1={y1 + at * down} y2={y1 + at * down} x1={x1} x2={x2} />)}
      {cell && <rect class="cell" x={x1 + cell[0] * across} y={y1 + cell[1] * down} width={across} height={down} />}
    </g>
  );
}

function drawMasks(element: HTMLCanvasElement, photo: api.PhotoInfo): void {
  const context = element.getContext("2d")!;
  const paint = painter("label");
  for (const one of photo.objects) {
    if (!one.mask) continue;
    const [left, top, right] = one.mask.box;
    const width = right - left;
    context.fillStyle = css(paint(one.row));
    context.globalAlpha = one.row === focus.value ? 0.6 : 0.35;
    let at = 0;
    one.mask.runs.forEach((length, turn) => {
      if (turn % 2) for (let done = 0; done < length; ) {
        const column = (at + done) % width;
        const part = Math.min(length - done, width - column);
        context.fillRect(left + column, top + Math.floor((at + done) / width), part, 1);
        done += part;
      }
      at += length;
    });
  }
}
