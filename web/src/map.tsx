/** The maps: of the space that is shown, and of another beside it; how they are colored, and what is selected. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import * as api from "./api";
import { Canvas, type Controls } from "./canvas";
import { Dialog } from "./dialog";
import { css, cyclicColor, rampColor, type Rgb } from "./palette";
import { SOURCE } from "./sources";
import {
  byFrequency, chosen, chosenCount, colorBy, COMPUTED, columns, drawn, focus, guarded, isAngle, labelOf, mapBusy, mapDone, mapMethod, nameColors,
  otherDrawn, otherPoints, otherSpace, points, selectRows, selection, selectionNames, space, summary, type MapPoints,
} from "./state";

/** What the colors that are computed say. */
const COLOR_TITLES: Record<string, string> = {
  "agreement of neighbors": "the share of an object's 5 nearest in other photos that have its label",
  "neighbors kept by the map": "the share of an object's 10 nearest in the space that are among its 10 nearest on this map: where it is low, do not trust what looks near",
  "neighbors in both spaces": "the share of an object's 10 nearest in this space that are among its 10 nearest in the other",
};

const MAP_NAMES: Record<string, string> = { pca: "PCA", tsne: "t-SNE", own: "own" };

export function MapPanel() {
  const controls = useRef(new Set<Controls>()).current;
  const lassoing = useSignal(false);
  const naming = useSignal(false);
  const each = (act: (one: Controls) => void) => () => controls.forEach(act);
  const chosenRows = () => [...chosen.value.keys()].filter((row) => chosen.value[row]);
  const exportTable = () => guarded(async () => api.download(await api.getTable(chosenRows()), "objects.csv"));
  const save = (name: string) =>
    guarded(async () => {
      await api.saveSelection(name, chosenRows());
      selectionNames.value = await api.getSelections();
    });
  const open = (name: string) => {
    if (name) guarded(async () => selectRows((await api.getSelection(name)).rows));
  };
  const store = summary.value!;
  const others = store.spaces.map((one) => one.name).filter((name) => name !== space.value);
  const colors = [...new Set([...columns.value.keys(), ...COMPUTED.keys()])].filter((name) => name !== "image" && (name !== "neighbors in both spaces" || otherSpace.value));
  return (
    <section class="map panel" aria-label="Map">
      <div class="bar" role="group" aria-label="what is drawn">
        <Choice label="map" title="how the vectors are laid on a plane: near points have near vectors, as far as two numbers can say" value={mapMethod.value} options={store.maps} names={store.maps.map((name) => MAP_NAMES[name])} set={(v) => (mapMethod.value = v)} />
        <Choice label="color" title={COLOR_TITLES[colorBy.value]} value={colorBy.value} options={colors} set={(v) => (colorBy.value = v)} />
        {others.length > 0 && <Choice label="beside" title="the map of another space, linked to this one" value={otherSpace.value} options={["", ...others]} names={["no other space"]} set={(v) => (otherSpace.value = v)} />}
      </div>
      <div class="bar" role="group" aria-labelledby="selecting">
        <span id="selecting">selection</span>
        <button aria-pressed={lassoing.value} onClick={() => (lassoing.value = !lassoing.value)} title="draw around objects; or hold shift and drag">Lasso</button>
        <button aria-label="Clear selection" disabled={!selection.value} onClick={() => (selection.value = null)}>Clear</button>
        {SOURCE !== "file" && (
          <>
            <button aria-label="Save selection" disabled={!selection.value || store.read_only} onClick={() => (naming.value = true)} title="under a name">Save</button>
            <button aria-label="Export CSV" disabled={!chosenCount.value} onClick={exportTable} title="ids, boxes and labels of what is selected, or shown, as a table">CSV</button>
            {selectionNames.value.length > 0 && <Choice label="open" value="" options={["", ...selectionNames.value]} names={["saved …"]} set={open} />}
          </>
        )}
      </div>
      <p class="keys">
        <span>{chosenCount.value.toLocaleString("en")} of {store.objects.toLocaleString("en")} {selection.value ? "selected" : "shown"}</span>
        {!selection.value && (focus.value === null ? " · click a point for its nearest and its photo" : ` · ${labelOf(focus.value)}: see sheet and photo`)}
      </p>
      <div class="maps">
        <figure>
          {otherSpace.value && <figcaption>{space.value}</figcaption>}
          <Canvas map={points} drawn={drawn} lassoing={lassoing} text={mapText(points.value)} controls={controls} />
        </figure>
        {otherSpace.value && (
          <figure>
            <figcaption>{otherSpace.value}</figcaption>
            <Canvas map={otherPoints} drawn={otherDrawn} lassoing={lassoing} text={mapText(otherPoints.value)} controls={controls} />
          </figure>
        )}
        <div class="zoom" role="group" aria-label="zoom">
          <button aria-label="zoom in" title="zoom in; or turn the wheel" onClick={each((one) => one.scaleBy(1.5))}>+</button>
          <button aria-label="zoom out" title="zoom out" onClick={each((one) => one.scaleBy(1 / 1.5))}>−</button>
          <button aria-label="Whole map" title="whole map" onClick={each((one) => one.fit())}>⤢</button>
        </div>
        {mapBusy.value && <p class="busy" role="status">computing the map … {mapDone.value > 0 && <progress aria-label="share of the map that is computed" max={1} value={mapDone.value} />}</p>}
      </div>
      <Legend />
      {naming.value && <Dialog question={{ title: "Save the selection as", answer: "", done: save }} close={() => (naming.value = false)} />}
    </section>
  );
}

const mapText = (map: MapPoints | null) =>
  map
    ? `Map of ${map.row.length} objects in space ${map.space}; ${chosenCount.value} are chosen. The sheet lists them.`
    : "The map is being computed.";

function Legend() {
  const column = columns.value.get(colorBy.value);
  if (!column) return null;
  if (column.kind === "names") {
    const order = byFrequency(column);
    const colors = nameColors(column);
    return (
      <ul class="legend" aria-label={`colors of ${colorBy.value}`}>
        {order.slice(0, 12).map((code) => <Entry key={code} color={colors[code]} text={column.names[code]} />)}
        {order.length > 12 && <li>and {order.length - 12} more</li>}
      </ul>
    );
  }
  const stops = Array.from({ length: 13 }, (_, i) => i / 12);
  const paint = gradient(colorBy.value);
  const angle = isAngle(colorBy.value);
  return (
    <div class="legend ramp">
      <span>{colorBy.value.replace("factor:", "")}</span>
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

export function Choice(props: { label: string; title?: string; value: string; options: string[]; names?: string[]; set: (value: string) => void }) {
  return (
    <label title={props.title}>
      {props.label}{" "}
      <select value={props.value} onChange={(event) => props.set(event.currentTarget.value)}>
        {props.options.map((option, i) => (
          <option key={option} value={option}>{props.names?.[i] ?? option.replace("factor:", "")}</option>
        ))}
      </select>
    </label>
  );
}
