import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import ArrowDown from "lucide-react/dist/esm/icons/arrow-down.mjs";
import ArrowUpToLine from "lucide-react/dist/esm/icons/arrow-up-to-line.mjs";
import Search from "lucide-react/dist/esm/icons/search.mjs";

const PAGE = 400; // lines for one request
const KEPT = 2400; // in the page at once; those at the other end go, and come back by scrolling
const NEAR = 600; // px from an end at which the next lines are asked for
const PAUSE = 900; // ms between two looks at a log that grows
const LAST_LOOKS = 3; // at a log that has just ended
const END = 2 ** 53;
const BACK = ["PageUp", "ArrowUp", "Home"];
const LEVELS = [["debug", "All"], ["info", "Info"], ["warning", "Warnings"], ["error", "Errors"]];

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const asked = (name) => new URLSearchParams(location.search).get(name) ?? "";
const wantedLevel = () => LEVELS.map(([name]) => name).find((name) => name === asked("level")) ?? "debug";

// What a link to this part of the log needs stands in the address; the page itself need not hear of it.
const remember = (level, text) => {
  const query = new URLSearchParams(location.search);
  level === "debug" ? query.delete("level") : query.set("level", level);
  text ? query.set("q", text) : query.delete("q");
  query.delete("line");
  history.replaceState(history.state, "", location.pathname + (query.size ? `?${query}` : ""));
};

const marked = (message, text) => {
  if (!text) return message;
  const at = message.toLowerCase().indexOf(text.toLowerCase());
  if (at < 0) return message;
  const end = at + text.length;
  return <>{message.slice(0, at)}<mark>{message.slice(at, end)}</mark>{marked(message.slice(end), text)}</>;
};

function Line({ line, text, chosen, onChoose }) {
  return (
    <li className={`line ${line.level}${chosen ? " chosen" : ""}`} data-seq={line.seq}>
      <button type="button" tabIndex={-1} className="seq" title="Show this line among the others" onClick={() => onChoose(line.seq)}>
        {line.seq}
      </button>
      <time dateTime={line.at} title={line.at}>{clock.format(new Date(line.at))}</time>
      <b>{line.level === "debug" || line.level === "info" ? line.origin : `${line.level} ${line.origin}`}</b>
      <span>{marked(line.message, text)}</span>
    </li>
  );
}

// A log of any length: a window of lines that is read from the API as it is scrolled, and grows while it is followed.
export function RunLog({ address, live, total }) {
  const [lines, setLines] = useState(null);
  const [level, setLevel] = useState(wantedLevel);
  const [text, setText] = useState(() => asked("q"));
  const [following, setFollowing] = useState(() => !asked("line"));
  const [unseen, setUnseen] = useState(0);
  const [trouble, setTrouble] = useState("");
  const [chosen, setChosen] = useState(() => Number(asked("line")) || 0);
  const box = useRef(null);
  const at = useRef({ first: true, last: true, busy: false, turn: 0 }); // whether the window reaches the log's ends
  const held = useRef([]);
  const keep = useRef(null); // what stays in its place when lines come in above it
  const moved = useRef(0);
  const seen = useRef(following); // as it is when an answer comes, not when it was asked for
  seen.current = following;

  const show = (next) => {
    held.current = next;
    setLines(next);
  };

  const hold = () => { // the first line in sight
    const { top } = box.current.getBoundingClientRect();
    const row = [...box.current.querySelectorAll(".line")].find((one) => one.getBoundingClientRect().bottom > top);
    keep.current = row ? { seq: row.dataset.seq, top: row.getBoundingClientRect().top } : null;
  };

  const ask = useCallback(async (parameters) => {
    const query = new URLSearchParams({ limit: PAGE, ...parameters });
    if (level !== "debug") query.set("level", level);
    if (text) query.set("q", text);
    const answer = await fetch(`${address}?${query}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.json();
  }, [address, level, text]);

  const guarded = useCallback(async (work) => {
    if (at.current.busy) return;
    at.current.busy = true;
    const turn = at.current.turn;
    try {
      await work(() => turn === at.current.turn);
      setTrouble("");
    } catch {
      setTrouble("The log does not answer. It is tried again.");
    } finally {
      if (turn === at.current.turn) at.current.busy = false;
    }
  }, []);

  const open = useCallback((around) => {
    at.current = { ...at.current, busy: false, turn: at.current.turn + 1 };
    setUnseen(0);
    return guarded(async (still) => {
      const found = around ? await ask({ before_seq: around + PAGE / 2 }) : await ask({ before_seq: END });
      if (!still()) return;
      Object.assign(at.current, { first: !found.has_more, last: !around });
      show(found.items);
    });
  }, [ask, guarded]);

  useEffect(() => {
    open(chosen);
  }, [open]);

  const older = () => guarded(async (still) => {
    const found = await ask({ before_seq: held.current[0].seq });
    if (!still()) return;
    at.current.first = !found.has_more;
    if (!found.items.length) return;
    hold();
    const next = [...found.items, ...held.current];
    if (next.length > KEPT) at.current.last = false;
    show(next.slice(0, KEPT));
  });

  const newer = () => guarded(async (still) => {
    const last = held.current.length ? held.current[held.current.length - 1].seq : 0;
    const found = await ask({ after_seq: last });
    if (!still()) return;
    at.current.last = !found.has_more;
    if (!found.items.length) return;
    if (!seen.current) setUnseen((number) => number + found.items.length);
    const next = [...held.current, ...found.items];
    if (next.length > KEPT) {
      at.current.first = false;
      if (!following) hold();
      show(next.slice(next.length - KEPT));
    } else show(next);
  });

  const first = () => {
    setFollowing(false);
    at.current = { ...at.current, busy: false, turn: at.current.turn + 1 };
    guarded(async (still) => {
      const found = await ask({ after_seq: 0 });
      if (!still()) return;
      Object.assign(at.current, { first: true, last: !found.has_more });
      show(found.items);
      box.current.scrollTop = 0;
    });
  };

  const follow = () => {
    setFollowing(true);
    setUnseen(0);
    setChosen(0);
    if (at.current.last) box.current.scrollTop = box.current.scrollHeight;
    else open(0);
  };

  const choose = (seq) => {
    setFollowing(false);
    setChosen(seq);
    setLevel("debug");
    setText("");
    remember("debug", "");
    const query = new URLSearchParams(location.search);
    query.set("line", seq);
    history.replaceState(history.state, "", `${location.pathname}?${query}`);
    if (level === "debug" && !text) open(seq);
  };

  // A log that grows, and the last lines of one that has just ended.
  const latest = useRef(newer);
  latest.current = newer;
  useEffect(() => {
    if (lines === null) return;
    const look = () => {
      const last = held.current.length ? held.current[held.current.length - 1].seq : 0;
      if (at.current.last && (live || last < total) && !document.hidden) latest.current();
    };
    look();
    let left = live ? Infinity : LAST_LOOKS; // one of them may meet a request that is under way
    const timer = setInterval(() => {
      if (left-- > 0) look();
      else clearInterval(timer);
    }, PAUSE);
    return () => clearInterval(timer);
  }, [live, total, lines === null]);

  useEffect(() => { // what could not be read at first
    if (!trouble || lines !== null) return;
    const timer = setInterval(() => open(chosen), 2000);
    return () => clearInterval(timer);
  }, [trouble, lines, open]);

  useLayoutEffect(() => {
    const here = box.current;
    if (!here || lines === null) return;
    if (keep.current !== null) {
      const row = here.querySelector(`[data-seq="${keep.current.seq}"]`);
      if (row) here.scrollTop += row.getBoundingClientRect().top - keep.current.top;
      keep.current = null;
    } else if (following) here.scrollTop = here.scrollHeight;
    else if (chosen) here.querySelector(`[data-seq="${chosen}"]`)?.scrollIntoView({ block: "center" });
    moved.current = here.scrollTop;
  }, [lines, following]);

  const nearEnds = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    if (!held.current.length) return;
    if (scrollTop < NEAR && !at.current.first) older();
    else if (scrollHeight - scrollTop - clientHeight < NEAR && !at.current.last) newer();
  };
  useEffect(() => { // whoever scrolls on while lines come in is not told of it again
    if (lines !== null && box.current) nearEnds();
  }, [lines]);

  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    const up = scrollTop < moved.current - 2;
    moved.current = scrollTop;
    const end = scrollHeight - scrollTop - clientHeight;
    if (up && end > 24 && following) setFollowing(false);
    if (!following && end < 4 && at.current.last) {
      setUnseen(0);
      if (live) setFollowing(true);
    }
    if (chosen && up) setChosen(0);
    nearEnds();
  };

  // Whoever wants to go back is let go at once: the next lines would pull him to the end again before he is far enough.
  const leave = () => {
    if (following && box.current.scrollHeight > box.current.clientHeight) setFollowing(false);
  };

  const turn = (now) => {
    setLevel(now);
    setChosen(0);
    setFollowing(true);
    remember(now, text);
  };
  const search = (now) => {
    setText(now);
    setChosen(0);
    setFollowing(true);
    remember(level, now);
  };

  const nothing = text || level !== "debug" ? "No line fits." : live ? "Waiting for the first lines…" : "This run wrote no line.";
  return (
    <section className="card log" aria-labelledby="log-title">
      <header>
        <h2 id="log-title">Log</h2>
        <div role="group" aria-label="Level" className="levels">
          {LEVELS.map(([name, word]) => (
            <button key={name} type="button" className="chip" aria-pressed={level === name} onClick={() => turn(name)}>{word}</button>
          ))}
        </div>
        <LogSearch text={text} onText={search} />
        <button type="button" className="button small" onClick={first}><ArrowUpToLine size={14} aria-hidden="true" />First</button>
        <button type="button" className={`button small follow${following ? " on" : ""}`} aria-pressed={following} onClick={() => (following ? setFollowing(false) : follow())}>
          <i aria-hidden="true" />{following ? (live ? "Following" : "At the end") : live ? "Follow" : "To the end"}
        </button>
      </header>
      <div className="log-frame">
        <div
          ref={box} onScroll={scrolled} onWheel={(event) => event.deltaY < 0 && leave()}
          onKeyDown={(event) => BACK.includes(event.key) && leave()} role="log" aria-label="Lines of the log" aria-live="off" tabIndex={0} className="log-box">
          {lines === null
            ? <p className="late">{trouble || "Reading the log…"}</p>
            : lines.length
              ? <ol>{lines.map((line) => <Line key={line.seq} line={line} text={text} chosen={line.seq === chosen} onChoose={choose} />)}</ol>
              : <p>{nothing}</p>}
        </div>
        {!following && unseen > 0 && (
          <button type="button" className="pill" onClick={follow}>
            <ArrowDown size={14} aria-hidden="true" />{unseen.toLocaleString("en")} new {unseen === 1 ? "line" : "lines"}
          </button>
        )}
      </div>
      <footer>
        <span>{trouble || `${Math.max(total, 0).toLocaleString("en")} lines in all`}</span>
        <span>Times are of this browser’s zone. Secrets are masked before they are written.</span>
      </footer>
    </section>
  );
}

function LogSearch({ text, onText }) {
  const timer = useRef(0);
  const input = useRef(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (input.current.value.trim() !== text) input.current.value = text;
  }, [text]);
  const typed = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onText(input.current.value.trim()), 200);
  };
  return (
    <div role="search" className="search log-search">
      <Search size={15} aria-hidden="true" />
      <input
        ref={input} id="search" type="text" inputMode="search" aria-label="Search the log" placeholder="Search the log…"
        defaultValue={text} maxLength={200} autoComplete="off" spellCheck={false} aria-keyshortcuts="/" onInput={typed}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || !input.current.value) return;
          event.preventDefault();
          input.current.value = "";
          onText("");
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}
