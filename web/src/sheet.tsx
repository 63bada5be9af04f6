/** The sheet: the nearest objects of the one in focus, or what is chosen. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "./api";
import { CopyCommand, searchCommand } from "./commands";
import { Dialog, type Question } from "./dialog";
import { Choice } from "./map";
import { SearchForm, type Asked } from "./search";
import { SOURCE } from "./sources";
import {
  byFrequency, chosenOnMap, chosenOnMapCount, columns, computedColumn, filtering, focus, guarded, like, mark, marks, metric, onlyLabel, otherSpace, packedBits, pair, passes,
  largestFirst, listedBy, points, sameImage, selection, shownOnly, space, summary, unlike,
} from "./state";

interface Tile {
  row: number;
  label: string;
  note: string;
  title: string;
  proposed?: string;
}

const PAGE = 48;

export function Sheet() {
  const tab = useSignal<"nearest" | "chosen" | "search" | "doubtful" | "changed">("chosen");
  const asked = useSignal<Asked | null>(null);
  const tiles = useSignal<Tile[]>([]);
  const pictures = useSignal<Map<number, string>>(new Map());
  const exact = useSignal<string>("");
  /** The share of what the sheet waits for that is done; null where nobody knows. */
  const share = useSignal<number | null>(null);
  const page = useSignal(0);
  const command = useSignal("");

  useSignalEffect(() => {
    // In a queue, and in the answer of a search, a click shows the photo, and the list stays.
    if (focus.value !== null && !["doubtful", "search", "changed"].includes(tab.peek())) tab.value = "nearest";
  });

  useSignalEffect(() => {
    if (selection.value) tab.value = "chosen";
  });

  useSignalEffect(() => {
    if (!like.value.length && !unlike.value.length) return;
    asked.value = { kind: "examples" };
    tab.value = "search";
  });

  useSignalEffect(() => {
    const [question, name, distance, same] = [asked.value, space.value, metric.value, sameImage.value];
    if (tab.value !== "search" || !name) return;
    const examples = [[...like.value], [...unlike.value]];
    tiles.value = [];
    exact.value = "";
    if (!question || (question.kind === "examples" && !examples[0].length)) return;
    exact.value = "searching …";
    guarded(async () => {
      try {
        const answer =
          question.kind === "words" ? await api.getWords(question.text, name, PAGE)
          : question.kind === "picture" ? await api.getPicture(question.picture, question.box, name, distance, PAGE)
          : await api.getExamples(examples[0], examples[1], name, distance, PAGE, same);
        if (asked.peek() !== question || tab.peek() !== "search" || space.peek() !== name) return;
        exact.value = `${answer.exact ? "exact" : "approximate"}, ${answer.metric}, nearest to ${nearestTo(question)}`;
        tiles.value = answer.neighbors.map(neighborTile);
      } catch (error) {
        if (asked.peek() === question) exact.value = "";
        throw error;
      }
    });
  });

  useSignalEffect(() => {
    const [map, other, distance] = [points.value, otherSpace.value, metric.value];
    if (tab.value !== "changed" || !map) return;
    if (!other) {
      tab.value = "chosen";
      return;
    }
    tiles.value = [];
    exact.value = "comparing neighbors …";
    guarded(async () => {
      const shared = await computedColumn("neighbors in both spaces", map, distance, other);
      const label = columns.peek().get("label");
      if (tab.peek() !== "changed" || points.peek() !== map || otherSpace.peek() !== other || label?.kind !== "names") return;
      const rows = [...map.row].filter((row) => !Number.isNaN(shared[row])).sort((a, b) => shared[a] - shared[b] || a - b);
      exact.value = `how many of the 10 nearest in space ${map.space} are so in space ${other} too`;
      tiles.value = rows.slice(0, PAGE).map((row) => ({ row, label: label.names[label.codes[row]], note: `${Math.round(10 * shared[row])} of 10 kept`, title: "" }));
    });
  });

  useSignalEffect(() => {
    const [row, name, distance, same] = [focus.value, space.value, metric.value, sameImage.value];
    const [passed, within] = [passes.value, filtering.value && shownOnly.value];
    if (tab.value !== "nearest" || row === null || !name) return;
    const wanted = () => tab.peek() === "nearest" && focus.peek() === row && space.peek() === name && passes.peek() === passed;
    guarded(async () => {
      const [own] = await api.getObjects([row]);
      const itself = { row, label: own.label, note: "this one", title: own.path };
      try {
        const among = within ? packedBits(passed.length, (i) => passed[i]) : null;
        const answer = await api.getNeighbors(row, name, distance, PAGE - 1, same, among);
        if (!wanted()) return;
        const filters = `${same ? "" : ", other photos only"}${within ? ", of what is shown" : ""}`;
        exact.value = answer.exact ? `exact, ${distance}${filters}${partsNamed(answer.neighbors[0])}` : "approximate";
        const label = within ? onlyLabel.peek() : null;
        command.value = within && label === null ? "" : searchCommand(own.object_id, name, distance, PAGE - 1, same, label);
        tiles.value = [itself, ...answer.neighbors.map(neighborTile)];
      } catch (error) {
        if (!wanted()) return;
        // The one that was clicked stays, and no neighbors of another stand beside it.
        command.value = "";
        exact.value = (error as Error).message;
        tiles.value = [itself];
      }
    });
  });

  useSignalEffect(() => {
    if (tab.value !== "chosen") return;
    const [map, from] = [points.value, page.value * PAGE];
    const label = columns.value.get("label");
    if (!map || label?.kind !== "names") return;
    exact.value = "";
    const by = columns.value.get(listedBy.value);
    const note = (row: number) => (by?.kind !== "numbers" ? "" : Number.isNaN(by.values[row]) ? "unknown" : String(Number(by.values[row].toPrecision(3))));
    tiles.value = chosenOnMap(map, from, PAGE).map((row) => ({ row, label: label.names[label.codes[row]], note: note(row), title: "" }));
  });

  useSignalEffect(() => {
    const name = space.value;
    if (tab.value !== "doubtful" || !name) return;
    tiles.value = [];
    exact.value = "judging each label by its neighbors, once for this store: seconds for hundreds of objects, minutes for many thousands …";
    const asking = setInterval(() => api.getDoubtfulDone(name).then(({ done }) => (share.value = done || null), () => {}), 500);
    guarded(async () => {
      try {
        const found = await api.getDoubtful(name);
        if (tab.peek() !== "doubtful" || space.peek() !== name) return;
        exact.value = quality(found);
        tiles.value = found.objects.map((one) => ({
          row: one.row,
          label: one.label,
          proposed: one.proposed,
          note: `${one.proposed}? ${one.score.toFixed(2)}`,
          title: `${one.label}, perhaps ${one.proposed}; the label is wrong with probability ${one.score.toFixed(3)}`,
        }));
      } catch (error) {
        exact.value = "";
        throw error;
      }
    }).finally(() => clearInterval(asking));
    return () => {
      clearInterval(asking);
      share.value = null;
    };
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
      <div class="bar">
        <div class="bar" role="tablist" aria-label="what the sheet shows">
        <button role="tab" aria-selected={tab.value === "nearest"} disabled={focus.value === null} title="of the object that was clicked" onClick={() => (tab.value = "nearest")}>Nearest</button>
        <button role="tab" aria-selected={tab.value === "chosen"} onClick={() => (tab.value = "chosen")}>{selection.value ? "Selected" : "Shown"}</button>
        {SOURCE !== "file" && <button role="tab" aria-selected={tab.value === "search"} onClick={() => (tab.value = "search")}>Search</button>}
        {SOURCE !== "file" && <button role="tab" aria-selected={tab.value === "doubtful"} onClick={() => (tab.value = "doubtful")}>Doubtful labels</button>}
        {otherSpace.value && <button role="tab" aria-selected={tab.value === "changed"} onClick={() => (tab.value = "changed")}>Changed most</button>}
        </div>
        {tab.value === "nearest" || (tab.value === "search" && asked.value?.kind === "examples") ? (
          <>
            {SOURCE !== "file" && <label><input type="checkbox" checked={sameImage.value} onChange={(event) => (sameImage.value = event.currentTarget.checked)} /> same photo too</label>}
            {tab.value === "nearest" && filtering.value && (
              <label title="neighbors are looked for among what the filters show"><input type="checkbox" checked={shownOnly.value} onChange={(event) => (shownOnly.value = event.currentTarget.checked)} /> only what is shown</label>
            )}
          </>
        ) : tab.value === "chosen" ? (
          <>
            <Pages page={page} />
            <Order page={page} />
          </>
        ) : tab.value === "doubtful" ? (
          <Corrected />
        ) : null}
        <span class="grow" />
        {tab.value === "nearest" && command.value && SOURCE !== "file" && <CopyCommand command={command.value} />}
      </div>
      {exact.value && <p class="keys" role="status">{exact.value}</p>}
      {exact.value.endsWith("…") && <progress aria-label="working" max={1} value={share.value ?? undefined} />}
      {tab.value === "doubtful" && <p class="keys"><kbd>Enter</kbd> its photo <kbd>W</kbd> wrong <kbd>R</kbd> relabel <kbd>K</kbd> keep, the label is right <kbd>S</kbd> skip <kbd>Z</kbd> undo</p>}
      {tab.value === "nearest" && SOURCE !== "file" && <p class="keys"><kbd>Enter</kbd> walk on <kbd>E</kbd> why near <kbd>L</kbd> like this <kbd>U</kbd> unlike this</p>}
      {tab.value === "search" && <SearchForm ask={(question) => (asked.value = question)} />}
      {tiles.value.length === 0 && (tab.value === "chosen" || tab.value === "nearest") && <p class="empty">Click a point of the map, or an object of a photo, to see what is nearest.</p>}
      <Tiles tiles={tiles.value} pictures={pictures.value} own={own} queue={tab.value === "doubtful"} />
    </section>
  );
}

const neighborTile = (near: api.Neighbor): Tile => ({
  row: near.row,
  label: near.label,
  note: near.parts ? partsText(near.parts) : near.distance.toPrecision(4),
  title: `${near.path}, distance ${near.distance.toPrecision(4)}${near.parts ? `; similarity by ${Object.keys(near.parts).join(" + ")}` : ""}`,
});

const nearestTo = (question: Asked) =>
  question.kind === "words" ? `“${question.text}”` : question.kind === "examples" ? "the examples" : question.box ? "the box" : "the picture";

/** The annotations as the marks correct them. */
function Corrected() {
  const save = (format: string) =>
    guarded(async () => api.download(await api.getCorrected(format), { csv: "marks.csv", coco: "corrected.json", yolo: "corrected-yolo.zip" }[format]!));
  return (
    <span class="bar">
      corrected as
      {["csv", "coco", "yolo"].map((format) => <button key={format} onClick={() => save(format)}>{format.toUpperCase()}</button>)}
    </span>
  );
}

/** Return what the parts of a similarity in a joint space are of, in the order in which they are added. */
function partsNamed(near: api.Neighbor | undefined): string {
  const route = (name: string) => summary.value!.spaces.find((one) => one.name === name)?.route ?? name;
  return near?.parts ? `; similarity: ${Object.keys(near.parts).map(route).join(" + ")}` : "";
}

function partsText(parts: Record<string, { similarity: number }>): string {
  return Object.values(parts).map((part) => part.similarity.toFixed(2)).join(" + ");
}

/** Return how good the list is, in a sentence: what it finds of planted errors. */
function quality(found: api.Doubtful): string {
  const all = found.calibration?.kinds[0];
  if (!all || found.listed === null) return "not calibrated";
  const tenth = all.first["0.1"];
  const share = tenth ? ` (${percent(tenth)} in the first tenth)` : "";
  return `${found.listed} of ${found.n} labels are above the threshold, the others follow. Of planted errors ${percent(all.found)} are above it${share}, of the other labels ${percent(found.calibration!.false_alarms)}. The number of a label: how probably it is wrong.`;
}

const percent = (share: api.Share) => `${(100 * share.value).toFixed(0)} %`;

/** In which order the objects that are shown are listed: by a column of numbers. */
function Order({ page }: { page: { value: number } }) {
  const names = [...columns.value].filter(([name, column]) => name !== "image" && column.kind === "numbers" && column.low < column.high).map(([name]) => name);
  if (!names.length) return null;
  const set = (name: string) => {
    listedBy.value = name;
    page.value = 0;
  };
  const way = largestFirst.value ? "largest first" : "smallest first";
  return (
    <span>
      <Choice label="order" value={names.includes(listedBy.value) ? listedBy.value : ""} options={["", ...names]} names={["of the store"]} set={set} />
      {listedBy.value && <> <button title={way} aria-label={way} onClick={() => { largestFirst.value = !largestFirst.value; page.value = 0; }}>{largestFirst.value ? "↓" : "↑"}</button></>}
    </span>
  );
}

function Pages({ page }: { page: { value: number } }) {
  const last = Math.max(0, Math.ceil(chosenOnMapCount.value / PAGE) - 1);
  if (page.value > last) page.value = last;
  return (
    <span>
      <button aria-label="previous page" disabled={page.value === 0} onClick={() => page.value--}>‹</button>
      {` ${page.value + 1} of ${last + 1} `}
      <button aria-label="next page" disabled={page.value >= last} onClick={() => page.value++}>›</button>
    </span>
  );
}

/** The tiles of the sheet. In a queue the first has the keyboard at once, where nothing but a tab or a button has it. */
function Tiles({ tiles, pictures, own, queue }: { tiles: Tile[]; pictures: Map<number, string>; own: string | null; queue: boolean }) {
  const list = useRef<HTMLUListElement>(null);
  const at = useSignal(0);
  const question = useSignal<Question | null>(null);
  const undo = useRef<{ row: number; before: api.Mark | undefined; place: number }[]>([]);
  useEffect(() => {
    at.value = 0;
    const elsewhere = document.activeElement?.closest("input, select, dialog");
    if (queue && tiles.length && !elsewhere) (list.current!.children[0] as HTMLElement).focus({ preventScroll: true });
  }, [tiles]);

  const go = (place: number) => {
    at.value = Math.max(0, Math.min(tiles.length - 1, place));
    (list.current!.children[at.value] as HTMLElement).focus();
  };
  const keep = (verdict: api.Verdict, label?: string) => {
    const place = at.value;
    const row = tiles[place].row;
    undo.current.push({ row, before: marks.value[row], place });
    mark(row, verdict, label);
    go(place + 1);
  };
  const takeBack = () => {
    const last = undo.current.pop();
    if (!last) return;
    mark(last.row, last.before?.verdict ?? null, last.before?.label);
    if (tiles[last.place]?.row === last.row) go(last.place);
  };
  const relabel = () => {
    const label = columns.value.get("label");
    const choices = label?.kind === "names" ? byFrequency(label).map((code) => label.names[code]) : [];
    const tile = tiles[at.value];
    question.value = {
      title: `The label of this ${tile.label} is`,
      answer: tile.proposed ?? tile.label,
      choices,
      done: (answer) => keep("relabeled", answer),
    };
  };
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || question.value || !tiles.length) return;
    const across = columnsOf(list.current!);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
    const key = event.key.toLowerCase();
    if (step !== undefined) go(at.value + step);
    else if (event.key === "Enter") focus.value = tiles[at.value].row;
    else if (SOURCE === "file") return;
    else if (key === "e" && focus.value !== null && focus.value !== tiles[at.value].row) pair.value = [focus.value, tiles[at.value].row];
    else if (key === "l") addExample(like, tiles[at.value].row);
    else if (key === "u") addExample(unlike, tiles[at.value].row);
    else if (summary.value?.read_only) return;
    else if (key === "w") keep("wrong");
    else if (key === "k") keep("right");
    else if (key === "s") keep("skipped");
    else if (key === "r") relabel();
    else if (key === "z") takeBack();
    else return;
    event.preventDefault();
  };
  return (
    <>
      <ul class="tiles" role="listbox" aria-label="objects" ref={list} onKeyDown={press}>
        {tiles.map((tile, place) => {
          const marked = marks.value[tile.row];
          return (
            <li key={tile.row} role="option" tabIndex={place === at.value ? 0 : -1} aria-selected={tile.row === focus.value}
              title={tile.title} class={own === null ? "" : tile.label === own ? "same" : "other"}
              onFocus={() => (at.value = place)} onClick={() => (focus.value = tile.row)}>
              {pictures.get(tile.row) ? <img src={pictures.get(tile.row)} alt="" /> : <span class="blank" />}
              <span class="name">{own !== null && place > 0 ? (tile.label === own ? "= " : "≠ ") : ""}{tile.label}</span>
              <span class="note">{tile.note}</span>
              {marked && <span class="mark">{markText(marked)}</span>}
            </li>
          );
        })}
      </ul>
      {question.value && <Dialog question={question.value} close={() => { question.value = null; (list.current!.children[at.value] as HTMLElement)?.focus(); }} />}
    </>
  );
}

/** Add an object to those that a search is like or unlike, and take it from the others. */
export function addExample(to: typeof like, row: number): void {
  const from = to === like ? unlike : like;
  if (from.value.includes(row)) from.value = from.value.filter((one) => one !== row);
  if (!to.value.includes(row)) to.value = [...to.value, row];
}

const markText = (one: api.Mark) =>
  ({ wrong: "✗ wrong", right: "✓ right", skipped: "– skipped", relabeled: `→ ${one.label}` })[one.verdict];

/** Return how many tiles stand side by side. */
function columnsOf(list: HTMLElement): number {
  const tops = [...list.children].map((tile) => (tile as HTMLElement).offsetTop);
  return Math.max(1, tops.filter((top) => top === tops[0]).length);
}
