import { useEffect, useSyncExternalStore } from "react";

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];

const listeners = new Set();
let clock;
const subscribe = (listener) => {
  listeners.add(listener);
  clock ??= setInterval(() => listeners.forEach((each) => each()), 5_000);
  return () => {
    listeners.delete(listener);
    if (!listeners.size) clock = clearInterval(clock);
  };
};

const until = (at) => {
  const seconds = (new Date(at) - Date.now()) / 1000;
  for (const [size, unit] of UNITS) if (seconds >= size) return `in ${Math.floor(seconds / size)} ${unit}`;
  return seconds > -60 ? "any moment" : "due";
};

// How long it takes until then, in the largest unit that is not a fraction; the time in this browser's zone on hover.
export function TimeUntil({ at }) {
  const words = useSyncExternalStore(subscribe, () => until(at), () => "");
  return <time dateTime={at} title={exact.format(new Date(at))}>{words}</time>;
}

// Tells the page once in whose zone it is read.
export function ViewerZone({ onZone }) {
  useEffect(() => {
    onZone(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  }, []);
  return null;
}

// The zones that this browser knows, to choose from while one types.
export function ZoneList({ id }) {
  const zones = ["UTC", ...(Intl.supportedValuesOf?.("timeZone") ?? [])];
  return <datalist id={id}>{zones.map((zone) => <option key={zone} value={zone} />)}</datalist>;
}
