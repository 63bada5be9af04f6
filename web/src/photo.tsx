/** The photo of the object in focus: boxes, masks, the detector's grid; a click goes to the object there. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "./api";
import { css } from "./palette";
import { columns, focus, guarded, painter } from "./state";

export function Photo() {
  const shown = useSignal<api.PhotoInfo | null>(null);
  const missing = useSignal<string | null>(null);
  const layers = useSignal({ boxes: true, masks: false, grid: false });

  useSignalEffect(() => {
    const [row, image] = [focus.value, columns.value.get("image")];
    if (row === null || image?.kind !== "numbers") return;
    const place = image.values[row];
    if (shown.peek()?.image === place) return;
    missing.value = null;
    guarded(async () => {
      shown.value = await api.getPhoto(place);
    });
  });

  useEffect(() => {
    const toggle = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
      const layer = { b: "boxes", m: "masks", g: "grid" }[event.key.toLowerCase()] as keyof typeof layers.value;
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
        <button aria-pressed={layers.value.boxes} onClick={toggled("boxes")}><u>B</u>oxes</button>
        <button aria-pressed={layers.value.masks} onClick={toggled("masks")}><u>M</u>asks</button>
        <button aria-pressed={layers.value.grid} onClick={toggled("grid")}><u>G</u>rid</button>
        <span class="grow" />
        <span class="quiet path" title={photo?.path}>{photo?.path.split(/[/\\]/).pop()}</span>
      </div>
      {!photo && <p class="empty">The photo of the object that you choose.</p>}
      {photo && (
        <div class="picture" style={{ aspectRatio: `${photo.width} / ${photo.height}` }}>
          <img src={api.photoAddress(photo.image)} alt={`photo ${photo.path}`}
            onError={async () => (missing.value = await reason(photo.image))} onLoad={() => (missing.value = null)} />
          <Overlay photo={photo} layers={layers.value} />
          {missing.value && <p class="missing" role="alert">{missing.value}</p>}
        </div>
      )}
      {photo && (
        <ul class="objects" aria-label="objects of this photo">
          {photo.objects.map((one) => (
            <li key={one.row}>
              <button aria-pressed={one.row === focus.value} onClick={() => (focus.value = one.row)}>
                {one.label}{one.score === null ? "" : ` ${one.score.toFixed(2)}`}
              </button>
            </li>
          ))}
        </ul>
      )}
      {own && (
        <dl>
          <dt>object</dt><dd><code>{own.object_id}</code></dd>
          <dt>source</dt><dd>{own.source}{own.stride !== null && `, stride ${own.stride}`}{own.cell && `, cell ${own.cell.join(", ")}`}</dd>
          {Object.entries(own.factors).map(([name, value]) => [<dt key={`${name}-name`}>{name}</dt>, <dd key={name}>{value}</dd>])}
        </dl>
      )}
    </section>
  );
}

async function reason(image: number): Promise<string> {
  const response = await fetch(api.photoAddress(image)).catch(() => null);
  if (!response || response.ok) return "the photo cannot be shown";
  return (await response.json()).error;
}

function Overlay({ photo, layers }: { photo: api.PhotoInfo; layers: { boxes: boolean; masks: boolean; grid: boolean } }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current!;
    element.width = photo.width;
    element.height = photo.height;
    if (layers.masks) drawMasks(element, photo);
  }, [photo, layers.masks]);
  const paint = painter("label");
  const own = photo.objects.find((one) => one.row === focus.value);
  const line = Math.max(photo.width, photo.height) / 300;
  const click = (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * photo.width;
    const y = ((event.clientY - box.top) / box.height) * photo.height;
    guarded(async () => {
      const { row } = await api.getObjectAt(photo.image, x, y);
      if (row !== null) focus.value = row;
    });
  };
  return (
    <>
      <canvas ref={canvas} aria-hidden="true" />
      <svg viewBox={`0 0 ${photo.width} ${photo.height}`} onClick={click} aria-hidden="true">
        {layers.grid && own?.grid && <Grid grid={own.grid} cell={own.cell} />}
        {layers.boxes && photo.objects.map((one) => {
          const [x1, y1, x2, y2] = one.xyxy;
          const chosen = one.row === focus.value;
          return (
            <g key={one.row}>
              {chosen && <rect x={x1} y={y1} width={x2 - x1} height={y2 - y1} class="halo" stroke-width={line * 3} />}
              <rect x={x1} y={y1} width={x2 - x1} height={y2 - y1} fill="none" stroke={css(paint(one.row))} stroke-width={chosen ? line * 1.6 : line} />
            </g>
          );
        })}
      </svg>
    </>
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
