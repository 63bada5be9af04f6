/** The page: header, filters, map, sheet, photo, measure. */
import { useSignal } from "@preact/signals";
import { render } from "preact";
import type { Column } from "./columns";
import { CopyCommand, measureCommand } from "./commands";
import { Choice, MapPanel } from "./map";
import { css } from "./palette";
import { Photo } from "./photo";
import { Sheet } from "./sheet";
import {
  byFrequency, columns, failure, leastScore, limits, measured, measureError, metric, nameColors, points, selection, shownLabels, space,
  start, summary, type Limit,
} from "./state";
import type { Estimate } from "./api";
import { SOURCE } from "./sources";
import "./style.css";

const PANELS = ["filters", "map", "sheet", "photo"] as const;

function App() {
  const open = useSignal<(typeof PANELS)[number]>("map");
  const store = summary.value;
  if (!store) {
    return <main class="start">{failure.value ? <p role="alert">{failure.value}</p> : <p role="status">reading the store …</p>}</main>;
  }
  return (
    <div class={`page open-${open.value}`}>
      <header>
        <h1>objectspace</h1>
        <span class="store">{store.name}</span>
        <span class="quiet">{store.images.toLocaleString("en")} images · {store.objects.toLocaleString("en")} objects</span>
        <span class="grow" />
        <Choice label="space" title="the vectors whose neighbors are shown: by which network, of crops or of the detector's windows" value={space.value} options={store.spaces.map((one) => one.name)} set={(name) => (space.value = name)} />
        {SOURCE !== "file" && <Choice label="distance" title="how two vectors are compared" value={metric.value} options={["cosine", "euclidean"]} set={(name) => (metric.value = name as "cosine")} />}
      </header>
      {failure.value && <p class="failure" role="alert">{failure.value} <button onClick={() => (failure.value = null)}>close</button></p>}
      <nav aria-label="panels">
        {PANELS.map((name) => <button key={name} aria-pressed={open.value === name} onClick={() => (open.value = name)}>{name}</button>)}
      </nav>
      <main>
        <Filters />
        <MapPanel />
        <Sheet />
        <Photo />
      </main>
      <Measure />
    </div>
  );
}

function Filters() {
  const label = columns.value.get("label");
  const score = columns.value.get("score");
  const wanted = useSignal("");
  if (label?.kind !== "names") return null;
  const colors = nameColors(label);
  const chosen = shownLabels.value;
  const toggle = (code: number) => {
    const all = new Set(chosen ?? label.names.keys());
    if (!all.delete(code)) all.add(code);
    shownLabels.value = all.size === label.names.length ? null : all;
  };
  const listed = byFrequency(label).filter((code) => label.names[code].toLowerCase().includes(wanted.value.toLowerCase()));
  return (
    <section class="filters panel" aria-label="Filters">
      <h2>Labels</h2>
      <div class="bar">
        <button onClick={() => (shownLabels.value = null)}>all</button>
        <button onClick={() => (shownLabels.value = new Set())}>none</button>
      </div>
      <input type="search" placeholder="find a label" aria-label="find a label" value={wanted.value} onInput={(event) => (wanted.value = event.currentTarget.value)} />
      <ul>
        {listed.map((code) => (
          <li key={code}>
            <label>
              <input type="checkbox" checked={!chosen || chosen.has(code)} onChange={() => toggle(code)} />
              <i style={{ background: css(colors[code]) }} />
              <span class="name" title={label.names[code]}>{label.names[code]}</span>
              <span class="quiet">{label.counts[code].toLocaleString("en")}</span>
            </label>
            <button class="only" onClick={() => (shownLabels.value = new Set([code]))}>only</button>
          </li>
        ))}
      </ul>
      {score?.kind === "numbers" && score.low < score.high && (
        <label class="score">score at least {leastScore.value.toFixed(2)}
          <input type="range" min="0" max="1" step="0.01" value={leastScore.value} onInput={(event) => (leastScore.value = Number(event.currentTarget.value))} />
        </label>
      )}
      {[...columns.value].filter(([name, column]) => filtered(name, column)).map(([name, column]) => <ColumnFilter key={name} name={name} column={column} />)}
    </section>
  );
}

/** Names of a column that a filter lists. */
const LISTED = 100;

/** Whether a column has a filter of its own, beside those of labels and scores. */
const filtered = (name: string, column: Column) =>
  (name === "source" || name === "size" || name.startsWith("factor:")) &&
  (column.kind === "names" ? column.names.length > 1 && column.names.length <= LISTED : column.low < column.high);

function ColumnFilter({ name, column }: { name: string; column: Column }) {
  const own = limits.value.get(name) ?? {};
  const set = (limit: Limit) => {
    const all = new Map(limits.value);
    if (Object.values(limit).every((bound) => bound === undefined)) all.delete(name);
    else all.set(name, limit);
    limits.value = all;
  };
  const title = name === "size" ? "size in pixels" : name.replace("factor:", "");
  return (
    <details class="limit">
      <summary>{title}{limits.value.has(name) && " · filtered"}</summary>
      {column.kind === "names" ? (
        <ul>
          {byFrequency(column).map((code) => (
            <li key={code}>
              <label>
                <input type="checkbox" checked={!own.shown || own.shown.has(code)} onChange={() => {
                  const shown = new Set(own.shown ?? column.names.keys());
                  if (!shown.delete(code)) shown.add(code);
                  set({ shown: shown.size === column.names.length ? undefined : shown });
                }} />
                <span class="name" title={column.names[code]}>{column.names[code]}</span>
                <span class="quiet">{column.counts[code].toLocaleString("en")}</span>
              </label>
            </li>
          ))}
        </ul>
      ) : (
        <div class="bar">
          {(["low", "high"] as const).map((side) => (
            <label key={side}>{side === "low" ? "from" : "to"}{" "}
              <input type="number" step="any" aria-label={`${title} ${side === "low" ? "from" : "to"}`} placeholder={column[side].toPrecision(4)} value={own[side] ?? ""}
                onInput={(event) => set({ ...own, [side]: event.currentTarget.value === "" ? undefined : Number(event.currentTarget.value) })} />
            </label>
          ))}
        </div>
      )}
    </details>
  );
}

function Measure() {
  const result = measured.value;
  return (
    <footer aria-live="polite" aria-label="Measure">
      <strong>{selection.value ? "Selection" : "All that is shown"}</strong>
      {measureError.value && <span>{measureError.value}</span>}
      {!result && !measureError.value && <span role="status">comparing neighbors …</span>}
      {result && (
        <>
          <span title="how often the nearest objects of other photos share the label; 95 % interval of as many new photos">
            purity at {result.k} <b>{result.all.value.toFixed(3)}</b> {interval(result.all)}
          </span>
          <span title="what neighbors drawn at random would have">by chance {result.all.chance.toFixed(3)}</span>
          <span>{result.all.n.toLocaleString("en")} objects, {result.images.toLocaleString("en")} photos</span>
          {SOURCE !== "file" && result.all.n === points.value?.row.length && <CopyCommand command={measureCommand(space.value, metric.value, result.k)} />}
          <ul aria-label="purity by label">
            {Object.entries(result.labels).map(([name, one]) => (
              <li key={name} title={`${name}: ${one.value.toFixed(3)} ${interval(one)}, by chance ${one.chance.toFixed(3)}, n ${one.n}`}>
                <span class="name">{name}</span>
                <meter min={0} max={1} value={one.value}>{one.value.toFixed(2)}</meter>
                <span>{one.value.toFixed(2)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </footer>
  );
}

const interval = (one: Estimate) =>
  one.low === null || one.high === null ? `(no interval: ${one.no_interval})` : `(95 %: ${one.low.toFixed(3)} to ${one.high.toFixed(3)})`;

render(<App />, document.getElementById("app")!);
start();
