/** Why two objects are near: what the network saw of each, and which cells join them or drive them apart. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as api from "./api";
import { labelOf } from "./state";

interface Pair {
  first: number;
  second: number;
  space: string;
  metric: string;
  close: () => void;
}

export function Why({ first, second, space, metric, close }: Pair) {
  const made = useSignal<api.Explanation | null>(null);
  const error = useSignal("");
  useEffect(() => {
    let wanted = true;
    made.value = null;
    error.value = "";
    api.getExplanation(first, second, space, metric).then(
      (answer) => wanted && (made.value = answer),
      (reason: Error) => wanted && (error.value = reason.message),
    );
    return () => {
      wanted = false;
    };
  }, [first, second, space, metric]);
  return (
    <section class="why" aria-label="Why near">
      <div class="bar"><h2>Why near? {labelOf(first)} and {labelOf(second)}</h2><span class="grow" /><button onClick={close}>close</button></div>
      {error.value && <p role="alert">No explanation: {error.value}</p>}
      {!made.value && !error.value && <p role="status">asking the network of space {space}: seconds … <progress aria-label="working" /></p>}
      {made.value && <Explained made={made.value} />}
    </section>
  );
}

function Explained({ made }: { made: api.Explanation }) {
  const parts = Object.entries(made.parts);
  if (parts.length) {
    return (
      <>
        <p>{made.metric} distance {made.distance.toPrecision(3)}, the sum of its parts. <Colors method={parts[0][1].method} /></p>
        {parts.map(([name, part]) => <div key={name}><h3>{name}: {part.total.toPrecision(3)} of {made.total.toPrecision(3)}</h3><Heats made={part} /></div>)}
      </>
    );
  }
  return (
    <>
      <p>
        {made.metric} distance {made.distance.toPrecision(3)}. <Colors method={made.method} />{made.method === "sum" && ` ${sumText(made)}.`}
      </p>
      <Heats made={made} />
    </>
  );
}

/** What the colors of the cells mean. */
const Colors = ({ method }: { method: api.Explanation["method"] }) =>
  method === "sum"
    ? <><i class="gain" /> cells bring the two together, <i class="fall" /> cells drive them apart.</>
    : <><i class="gain" /> cells bring the two together, <i class="fall" /> cells drive them apart, as covering each shows (this network does not average its cells).</>;

/** Return what the shares that are shown sum to. Of a cosine each is what a cell takes from the 1 of two that share nothing. */
function sumText({ cells, total, metric }: api.Explanation): string {
  const sum = cells.flatMap((one) => one.heat).reduce((all, share) => all + share, 0);
  const from = total - sum;
  const exactly = `exactly ${total.toPrecision(3)}, ${metric === "cosine" ? "the distance" : "its square"}`;
  return Math.abs(from) < 1e-6 ? `Together they are ${exactly}` : `Together they are ${sum.toPrecision(3)}, which with ${from.toPrecision(3)} for two that have nothing in common is ${exactly}`;
}

function Heats({ made }: { made: api.Explanation }) {
  const most = Math.max(1e-12, ...made.cells.flatMap((one) => one.heat.map(Math.abs)));
  if (!made.cells.length) return <p class="keys">One of the two has no vector here, or of another stride; the part counts as its recipe says.</p>;
  return (
    <div class="heats">
      {made.cells.map((one, place) => {
        const [across, down] = [one.width / one.columns, one.height / one.rows];
        const sum = one.heat.reduce((total, cell) => total + cell, 0);
        return (
          <svg key={place} viewBox={`0 0 ${one.width} ${one.height}`} role="img" aria-label={`${place ? "second" : "first"} object, its cells sum to ${sum.toPrecision(3)}`}>
            <image href={one.picture} width={one.width} height={one.height} preserveAspectRatio="none" />
            <g class="cells">
              {one.heat.map((share, at) => (
                <rect key={at} class={share > 0 ? "fall" : "gain"} fill-opacity={(0.75 * Math.abs(share)) / most} width={across} height={down}
                  x={(at % one.columns) * across} y={Math.floor(at / one.columns) * down} />
              ))}
            </g>
          </svg>
        );
      })}
    </div>
  );
}
