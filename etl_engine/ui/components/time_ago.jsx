import { useSyncExternalStore } from "react";

// One for all times: to make one takes a tenth of a millisecond, and a page shows a hundred.
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];

// One clock for all of them.
const listeners = new Set();
let clock;
const subscribe = (listener) => {
  listeners.add(listener);
  clock ??= setInterval(() => listeners.forEach((each) => each()), 10_000);
  return () => {
    listeners.delete(listener);
    if (!listeners.size) clock = clearInterval(clock);
  };
};

const ago = (at) => {
  const seconds = (Date.now() - new Date(at)) / 1000;
  for (const [size, unit] of UNITS) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  return "just now";
};

// How long ago, in the largest unit that is not a fraction; it grows while the page is open.
export function TimeAgo({ at }) {
  const words = useSyncExternalStore(subscribe, () => ago(at), () => "");
  return (
    <time dateTime={at} title={exact.format(new Date(at))}>
      {words}
    </time>
  );
}
