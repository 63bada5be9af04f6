/** What is searched for: words, a box in a picture of one's own, objects to be like and unlike. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Box } from "./api";
import { css } from "./palette";
import { like, painter, space, summary, unlike } from "./state";

export type Asked = { kind: "words"; text: string } | { kind: "picture"; picture: File; box: Box | null } | { kind: "examples" };

export function SearchForm({ ask }: { ask: (asked: Asked) => void }) {
  const store = summary.value!;
  const words = useRef<HTMLInputElement>(null);
  const picture = useSignal<File | null>(null);
  const able = store.text_spaces.includes(space.value);
  const submit = (event: Event) => {
    event.preventDefault();
    const text = words.current!.value.trim();
    if (text) ask({ kind: "words", text });
  };
  const choose = (file: File | undefined) => {
    if (!file) return;
    picture.value = file;
    ask({ kind: "picture", picture: file, box: null });
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    choose(event.dataTransfer?.files[0]);
  };
  return (
    <div class="search">
      {able && (
        <form class="bar" onSubmit={submit}>
          <label>words <input ref={words} type="search" maxLength={500} placeholder="a red chair" /></label>
          <button type="submit">Search</button>
        </form>
      )}
      {!able && store.text_spaces.length > 0 && <p class="keys">Words can be searched in {store.text_spaces.join(", ")}.</p>}
      <div class="drop" onDragOver={(event) => event.preventDefault()} onDrop={drop}>
        <label>a picture of your own <input type="file" accept="image/*" onChange={(event) => choose(event.currentTarget.files?.[0])} /></label>
        {picture.value && <BoxInPicture key={picture.value.name} picture={picture.value} done={(box) => ask({ kind: "picture", picture: picture.value!, box })} />}
      </div>
      <Examples name="like" rows={like} />
      <Examples name="unlike" rows={unlike} />
      {like.value.length === 0 && <p class="keys">Or press <kbd>L</kbd> (like this) and <kbd>U</kbd> (unlike this) on objects of the sheet, or in the photo.</p>}
    </div>
  );
}

function Examples({ name, rows }: { name: string; rows: typeof like }) {
  const paint = painter("label");
  if (!rows.value.length) return null;
  return (
    <div class="bar examples">
      {name}
      {rows.value.map((row) => (
        <button key={row} aria-label={`${name} object ${row}: remove`} onClick={() => (rows.value = rows.value.filter((one) => one !== row))}>
          <i style={{ background: css(paint(row)) }} /> {row} ✕
        </button>
      ))}
    </div>
  );
}

/** A picture in which a box is dragged, or given in numbers. */
function BoxInPicture({ picture, done }: { picture: File; done: (box: Box | null) => void }) {
  const address = useSignal("");
  const size = useSignal<[number, number] | null>(null);
  const box = useSignal<Box | null>(null);
  const failed = useSignal(false);
  useEffect(() => {
    address.value = URL.createObjectURL(picture);
    return () => URL.revokeObjectURL(address.value);
  }, [picture]);
  const at = (event: PointerEvent) => {
    const element = (event.currentTarget as Element).getBoundingClientRect();
    const share = (value: number, low: number, length: number) => Math.min(1, Math.max(0, (value - low) / length));
    return [share(event.clientX, element.left, element.width) * size.value![0], share(event.clientY, element.top, element.height) * size.value![1]];
  };
  const down = (event: PointerEvent) => {
    if (!size.value) return;
    const element = event.currentTarget as SVGElement;
    element.setPointerCapture(event.pointerId);
    const [x, y] = at(event);
    const move = (next: PointerEvent) => {
      const [a, b] = at(next);
      box.value = [Math.min(x, a), Math.min(y, b), Math.max(x, a), Math.max(y, b)].map(Math.round) as Box;
    };
    element.onpointermove = move;
    element.onpointerup = () => {
      element.onpointermove = element.onpointerup = null;
      if (box.value && box.value[2] - box.value[0] > 2 && box.value[3] - box.value[1] > 2) done(box.value);
      else box.value = null;
    };
  };
  const side = (place: number, value: number) => {
    const sides = [...(box.value ?? [0, 0, ...size.value!])] as Box;
    sides[place] = value;
    box.value = sides;
  };
  return (
    <>
      <div class="boxed">
        {address.value && <img src={address.value} alt={`your picture ${picture.name}`} draggable={false} onError={() => (failed.value = true)}
          onLoad={(event) => (size.value = [event.currentTarget.naturalWidth, event.currentTarget.naturalHeight])} />}
        {size.value && (
          <svg viewBox={`0 0 ${size.value[0]} ${size.value[1]}`} onPointerDown={down} aria-hidden="true">
            {box.value && <rect x={box.value[0]} y={box.value[1]} width={box.value[2] - box.value[0]} height={box.value[3] - box.value[1]} />}
          </svg>
        )}
      </div>
      {size.value && !box.value && <p class="keys">Drag a box around one object of it; without a box all of it is searched for.</p>}
      {failed.value && <p class="keys">The browser cannot show this picture; all of it is searched for.</p>}
      {size.value && (
        <div class="bar">
          {["left", "top", "right", "bottom"].map((name, place) => (
            <label key={name}>{name} <input type="number" min={0} max={size.value![place % 2]} value={(box.value ?? [0, 0, ...size.value!])[place]} onInput={(event) => side(place, Number(event.currentTarget.value))} /></label>
          ))}
          <button onClick={() => done(box.value)}>Search the box</button>
          <button disabled={!box.value} onClick={() => { box.value = null; done(null); }}>Whole picture</button>
        </div>
      )}
    </>
  );
}
