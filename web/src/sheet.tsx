/** The sheet: the nearest objects of the one in focus, or what is chosen. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "./api";
import { chosen, columns, focus, guarded, metric, points, sameImage, space } from "./state";

interface Tile {
  row: number;
  label: string;
  note: string;
  title: string;
}

const PAGE = 48;

export function Sheet() {
  const tab = useSignal<"nearest" | "chosen">("chosen");
  const tiles = useSignal<Tile[]>([]);
  const pictures = useSignal<Map<number, string>>(new Map());
  const exact = useSignal<string>("");
  const page = useSignal(0);

  useSignalEffect(() => {
    if (focus.value !== null) tab.value = "nearest";
  });

  useSignalEffect(() => {
    const [row, name, distance, same] = [focus.value, space.value, metric.value, sameImage.value];
    if (tab.value !== "nearest" || row === null || !name) return;
    guarded(async () => {
      const [own] = await api.getObjects([row]);
      const answer = await api.getNeighbors(row, name, distance, PAGE - 1, same);
      if (focus.peek() !== row || space.peek() !== name) return;
      exact.value = answer.exact ? `exact, ${distance}${same ? "" : ", other photos only"}` : "approximate";
      tiles.value = [
        { row, label: own.label, note: "this one", title: own.path },
        ...answer.neighbors.map((near) => ({
          row: near.row,
          label: near.label,
          note: near.parts ? partsText(near.parts) : near.distance.toPrecision(4),
          title: `${near.path}, distance ${near.distance.toPrecision(4)}`,
        })),
      ];
    });
  });

  useSignalEffect(() => {
    if (tab.value !== "chosen") return;
    const [map, marked, from] = [points.value, chosen.value, page.value * PAGE];
    const label = columns.value.get("label");
    if (!map || label?.kind !== "names") return;
    const rows = map.row.filter((row) => marked[row]).slice(from, from + PAGE);
    exact.value = "";
    tiles.value = Array.from(rows, (row) => ({ row, label: label.names[label.codes[row]], note: "", title: "" }));
  });

  useSignalEffect(() => {
    const missing = tiles.value.map((tile) => tile.row).filter((row) => !pictures.peek().has(row));
    guarded(async () => {
      const loaded = await api.getThumbnails(missing);
      const all = new Map(pictures.peek());
      missing.forEach((row, i) => all.set(row, loaded[i]));
      pictures.value = all;
    });
  });

  const own = tab.value === "nearest" ? tiles.value[0]?.label : null;
  return (
    <section class="sheet panel" aria-label="Sheet">
      <div class="bar" role="tablist" aria-label="what the sheet shows">
        <button role="tab" aria-selected={tab.value === "nearest"} disabled={focus.value === null} onClick={() => (tab.value = "nearest")}>Nearest</button>
        <button role="tab" aria-selected={tab.value === "chosen"} onClick={() => (tab.value = "chosen")}>Chosen</button>
        {tab.value === "nearest" ? (
          <label><input type="checkbox" checked={sameImage.value} onChange={(event) => (sameImage.value = event.currentTarget.checked)} /> same photo too</label>
        ) : (
          <Pages page={page} />
        )}
        <span class="grow" />
        <span class="quiet">{exact.value}</span>
      </div>
      {tiles.value.length === 0 && <p class="empty">Click a point of the map, or an object of a photo, to see what is nearest.</p>}
      <Tiles tiles={tiles.value} pictures={pictures.value} own={own} />
    </section>
  );
}

function partsText(parts: Record<string, { similarity: number }>): string {
  return Object.values(parts).map((part) => part.similarity.toFixed(2)).join(" + ");
}

function Pages({ page }: { page: { value: number } }) {
  const map = points.value;
  const count = map ? map.row.reduce((sum, row) => sum + chosen.value[row], 0) : 0;
  const last = Math.max(0, Math.ceil(count / PAGE) - 1);
  if (page.value > last) page.value = last;
  return (
    <span>
      <button aria-label="previous page" disabled={page.value === 0} onClick={() => page.value--}>‹</button>
      {` ${page.value + 1} of ${last + 1} `}
      <button aria-label="next page" disabled={page.value >= last} onClick={() => page.value++}>›</button>
    </span>
  );
}

function Tiles({ tiles, pictures, own }: { tiles: Tile[]; pictures: Map<number, string>; own: string | null }) {
  const list = useRef<HTMLUListElement>(null);
  const at = useSignal(0);
  useEffect(() => {
    at.value = 0;
  }, [tiles]);
  const move = (event: KeyboardEvent) => {
    const tilesAcross = columnsOf(list.current!);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: tilesAcross, ArrowUp: -tilesAcross }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      at.value = Math.max(0, Math.min(tiles.length - 1, at.value + step));
      (list.current!.children[at.value] as HTMLElement).focus();
    } else if (event.key === "Enter") focus.value = tiles[at.value].row;
  };
  return (
    <ul class="tiles" role="listbox" aria-label="objects" ref={list} onKeyDown={move}>
      {tiles.map((tile, place) => (
        <li key={tile.row} role="option" tabIndex={place === at.value ? 0 : -1} aria-selected={tile.row === focus.value}
          title={tile.title} class={own === null ? "" : tile.label === own ? "same" : "other"}
          onClick={() => { at.value = place; focus.value = tile.row; }}>
          {pictures.get(tile.row) ? <img src={pictures.get(tile.row)} alt="" /> : <span class="blank" />}
          <span class="name">{own !== null && place > 0 ? (tile.label === own ? "= " : "≠ ") : ""}{tile.label}</span>
          <span class="note">{tile.note}</span>
        </li>
      ))}
    </ul>
  );
}

/** Return how many tiles stand side by side. */
function columnsOf(list: HTMLElement): number {
  const tops = [...list.children].map((tile) => (tile as HTMLElement).offsetTop);
  return Math.max(1, tops.filter((top) => top === tops[0]).length);
}
