import { useEffect, useRef, useState } from "react";
import { useLocation, useNavigate } from "react-router";
import Search from "lucide-react/dist/esm/icons/search.mjs";
import X from "lucide-react/dist/esm/icons/x.mjs";

const PAUSE = 50; // ms without a key before the address follows, while keys come quickly; a single key is not held back
const QUICKLY = 200;

const asked = () => new URLSearchParams(window.location.search).get("q") ?? "";

// Searches by the address of the page: what is typed replaces it, so that Back leaves the search as a whole.
export function SearchBox({ id, label, placeholder }) {
  const input = useRef(null);
  const sent = useRef(asked());
  const timer = useRef(0);
  const typed = useRef(0);
  const [filled, setFilled] = useState(Boolean(sent.current));
  const navigate = useNavigate();
  const location = useLocation();

  useEffect(() => { // Back, or a link that clears the search
    const now = asked();
    if (now === sent.current) return;
    clearTimeout(timer.current);
    sent.current = input.current.value = now;
    setFilled(Boolean(now));
  }, [location]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const go = () => {
    clearTimeout(timer.current);
    const text = input.current.value.trim();
    if (text === sent.current) return;
    sent.current = text;
    const query = new URLSearchParams(window.location.search);
    if (text) query.set("q", text);
    else query.delete("q");
    ["page", "before"].forEach((name) => query.delete(name));
    navigate({ search: query.toString().replaceAll("%2C", ",") }, { replace: true, preventScrollReset: true });
  };
  const clear = () => {
    input.current.value = "";
    setFilled(false);
    go();
    input.current.focus();
  };
  return (
    <div role="search" className="search">
      <Search size={17} aria-hidden="true" />
      <input
        ref={input} id={id} type="text" inputMode="search" enterKeyHint="search" aria-label={label}
        placeholder={placeholder} defaultValue={sent.current} maxLength={200} aria-keyshortcuts="/"
        autoComplete="off" autoCapitalize="off" autoCorrect="off" spellCheck={false}
        onInput={() => {
          setFilled(Boolean(input.current.value));
          clearTimeout(timer.current);
          const now = Date.now();
          if (now - typed.current > QUICKLY) go();
          else timer.current = setTimeout(go, PAUSE);
          typed.current = now;
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") go();
          if (event.key === "Escape" && input.current.value) {
            event.preventDefault();
            clear();
          }
        }}
      />
      {filled
        ? <button type="button" onClick={clear} aria-label="Clear the search" title="Clear"><X size={16} aria-hidden="true" /></button>
        : <kbd aria-hidden="true">/</kbd>}
    </div>
  );
}
