import { useEffect, useRef, useState } from "react";
import { useLocation, useNavigate } from "react-router";
import ArrowRight from "lucide-react/dist/esm/icons/arrow-right.mjs";
import Keyboard from "lucide-react/dist/esm/icons/keyboard.mjs";
import Database from "lucide-react/dist/esm/icons/database.mjs";
import Moon from "lucide-react/dist/esm/icons/moon.mjs";
import Plus from "lucide-react/dist/esm/icons/plus.mjs";
import Search from "lucide-react/dist/esm/icons/search.mjs";
import Zap from "lucide-react/dist/esm/icons/zap.mjs";
import BookOpen from "lucide-react/dist/esm/icons/book-open.mjs";
import { Modal } from "$/public/external/etl_engine/ui/components/modal/modal.jsx";

const PAUSE = 100; // ms without a key before the server searches
const ICONS = { go: ArrowRight, new: Plus, test: Zap, theme: Moon, keys: Keyboard, open: Database, docs: BookOpen };

// Go anywhere, do anything: commands by name, and connections that the server finds. What belongs to the page of the
// connections happens there, from wherever it is asked for.
export function Palette({ home, commands, found, searched, onSearch, onNew, onTest, onTheme, onPick }) {
  const [open, setOpen] = useState(false);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [eager, setEager] = useState(false); // Enter was pressed before the server had answered
  const list = useRef(null);
  const { pathname } = useLocation();
  const navigate = useNavigate();
  const there = pathname === home;
  const acts = {
    go: ({ to }) => navigate(to),
    new: () => (there ? onNew() : navigate(`${home}?new=any`)),
    open: ({ id }) => (there ? onPick(id) : navigate(`${home}?edit=${encodeURIComponent(id)}`)),
    test: () => {
      if (!there) navigate(home);
      onTest();
    },
    theme: onTheme,
    keys: () => window.dispatchEvent(new Event("show-keys")),
    docs: () => window.location.assign("/docs"),
  };

  const write = (now) => {
    setText(now);
    setAt(0);
    setEager(false);
  };
  useEffect(() => {
    const show = () => {
      write("");
      setOpen(true);
    };
    const down = (event) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      event.preventDefault();
      if (document.querySelector('dialog[open]:not(.palette), [role="dialog"][data-state="open"]')) return;
      if (document.querySelector("dialog.palette[open]")) setOpen(false);
      else show();
    };
    document.addEventListener("keydown", down);
    window.addEventListener("show-palette", show);
    return () => {
      document.removeEventListener("keydown", down);
      window.removeEventListener("show-palette", show);
    };
  }, []);

  useEffect(() => {
    if (!open || !text.trim()) return;
    const timer = setTimeout(() => onSearch(text.trim()), PAUSE);
    return () => clearTimeout(timer);
  }, [text, open]);

  const words = text.trim().toLowerCase().split(/\s+/);
  const fitting = commands.filter(
    ({ label, to }) => to !== pathname && words.every((word) => label.toLowerCase().includes(word)),
  );
  const wanted = text.trim();
  const current = !wanted || searched === wanted;
  // What was found for the beginning of the text is shown until the answer for all of it comes.
  const connections = wanted && searched && wanted.startsWith(searched) ? found.map((one) => ({ ...one, act: "open" })) : [];
  const items = [...fitting, ...connections];
  const chosen = Math.min(at, items.length - 1);

  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  const run = (item) => {
    setOpen(false);
    setTimeout(() => acts[item.act](item));
  };
  useEffect(() => {
    if (!eager || !current) return;
    setEager(false);
    if (items[chosen]) run(items[chosen]);
  }, [eager, current]);
  const key = (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps && items.length) {
      event.preventDefault();
      setAt((chosen + steps[event.key] + items.length) % items.length);
    } else if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      if (items[chosen] && (current || items[chosen].act !== "open")) run(items[chosen]);
      else setEager(true);
    }
  };
  const option = (item, number) => {
    const Icon = ICONS[item.act];
    return (
      <li
        key={item.id ?? item.to ?? item.act} id={`palette-${number}`} role="option" aria-selected={number === chosen}
        onPointerMove={() => setAt(number)} onClick={() => run(item)}
      >
        <Icon size={17} aria-hidden="true" />
        <span className="palette-label">{item.label}</span>
        {item.hint && <span className="palette-hint">{item.hint}</span>}
        {item.keys && (there || item.act !== "new") && <kbd aria-hidden="true">{item.keys}</kbd>}
      </li>
    );
  };
  return (
    <Modal open={open} onClose={() => setOpen(false)} labelledBy="palette-title" className="palette">
      <h2 id="palette-title" className="visually-hidden">Go anywhere, do anything</h2>
      <div className="palette-input">
        <Search size={18} aria-hidden="true" />
        <input
          autoFocus type="text" role="combobox" aria-label="Search for a command or a connection" maxLength={200}
          aria-expanded="true" aria-controls="palette-list" aria-autocomplete="list"
          aria-activedescendant={items.length ? `palette-${chosen}` : undefined}
          placeholder="Search for a command or a connection" value={text} onKeyDown={key}
          onChange={(event) => write(event.target.value)}
          autoComplete="off" autoCapitalize="off" autoCorrect="off" spellCheck={false}
        />
        <kbd aria-hidden="true">Esc</kbd>
      </div>
      <ul ref={list} id="palette-list" role="listbox" aria-label="Commands and connections">
        {items.map(option)}
      </ul>
      <p role="status" className={items.length || !current ? "visually-hidden" : "palette-none"}>
        {items.length ? `${items.length} found` : "Nothing is called like that"}
      </p>
    </Modal>
  );
}
