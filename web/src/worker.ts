/** Draws the map beside the page, so that the page never waits for it. */
import { draw, type Points, type View } from "./draw";

let points: Points | null = null;

export interface DrawRequest {
  /** All of it, or only what has changed. */
  points?: Partial<Points>;
  view?: View;
  muted: number;
  ring: number;
}

self.onmessage = ({ data }: MessageEvent<DrawRequest>) => {
  if (data.points) points = { ...points, ...data.points } as Points;
  if (!data.view || !points) return;
  const pixels = draw(points, data.view, data.muted, data.ring);
  self.postMessage({ view: data.view, pixels }, { transfer: [pixels.buffer as ArrayBuffer] });
};
