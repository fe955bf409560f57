// What the connection form needs of the browser itself. What is typed stays in the DOM: it is collected when it is
// tested or saved, and the server hears of a change by the name of its field alone.
import { useEffect, useImperativeHandle, useRef, useState } from "react";
import { useLocation } from "react-router";
import Check from "lucide-react/dist/esm/icons/check.mjs";
import ClipboardPaste from "lucide-react/dist/esm/icons/clipboard-paste.mjs";
import Copy from "lucide-react/dist/esm/icons/copy.mjs";
import Eye from "lucide-react/dist/esm/icons/eye.mjs";
import EyeOff from "lucide-react/dist/esm/icons/eye-off.mjs";

const REMOVE = "remove:"; // before the name of a stored secret: the checkbox that takes it away
const FILL_FRAMES = 60; // a field that comes with another kind is there some frames later

// What is typed, for the one case in which the dialog goes without being told to: the server was started anew.
let typed = null;
let revived = null;

const opened = (control) => {
  const fold = control.closest("details");
  if (fold) fold.open = true;
  return control;
};

const soon = (attempt, frames = FILL_FRAMES) => {
  if (!attempt() && frames) requestAnimationFrame(() => soon(attempt, frames - 1));
};

export function FormShell({
  ref, children, shown, attempt, wrong, asking, dirty, testing, ready, onTest, onSave, onCancel, onTouch, onLeave, ...rest
}) {
  const form = useRef(null);
  const told = useRef(new Set()); // fields whose change the server knows since the last test
  const checked = useRef(new Map()); // what the server last checked, by field
  const before = useRef(null); // where the focus was before the question
  const [opener] = useState(() => document.activeElement);

  const part = (act) => form.current.querySelector(`[data-act="${act}"]`);

  const collected = () => {
    const values = {}, removed = [];
    for (const control of form.current.elements) {
      if (!control.name) continue;
      if (control.name.startsWith(REMOVE)) control.checked && removed.push(control.name.slice(REMOVE.length));
      else values[control.name] = control.type === "checkbox" ? String(control.checked) : control.value;
    }
    return [values, removed];
  };

  const test = () => {
    told.current.clear();
    onTest(...collected());
  };
  const advance = () => {
    if (testing || asking) return;
    if (ready && ![...told.current].some((name) => name !== "name")) onSave(...collected());
    else test();
  };
  const acts = { test, save: () => onSave(...collected()), cancel: onCancel };

  const touch = (control) => {
    const name = control.name.replace(REMOVE, "");
    if (!name) return;
    typed = collected()[0];
    // At once, not after the server's answer: these values are not the tested ones any more.
    if (name !== "name" && part("save")) part("save").disabled = true;
    if (!told.current.has(name) || control.getAttribute("aria-invalid") === "true") {
      told.current.add(name);
      onTouch(name);
    }
  };

  const leave = ({ target: control, relatedTarget: to }) => {
    const secret = "secret" in control.dataset;
    if (!control.name || control.type === "checkbox" || (secret && control.value) || !document.hasFocus()) return;
    if (to?.closest("[data-unchecked]") || checked.current.get(control.name) === control.value) return;
    checked.current.set(control.name, control.value);
    onLeave(control.name, control.value);
  };

  const fill = (values) => {
    for (const [name, value] of Object.entries(values)) {
      soon(() => {
        const control = form.current?.elements.namedItem(name);
        if (!control) return !form.current;
        if (control.value !== value) opened(control).value = value;
        checked.current.delete(name);
        return true;
      });
    }
  };
  useImperativeHandle(ref, () => ({
    set value(values) { fill(values); },
    focus() { form.current?.elements.namedItem("name")?.focus(); },
  }));

  useEffect(() => {
    form.current.querySelectorAll('[aria-invalid="true"]').forEach(opened); // a problem is never folded away
  }, [wrong.join()]);

  useEffect(() => {
    if (attempt) form.current.querySelector('[aria-invalid="true"]')?.focus();
  }, [attempt]);

  useEffect(() => {
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    if (!testing) form.current.querySelector(".outcome")?.scrollIntoView({ block: "nearest", behavior });
    else if (matchMedia("(max-width: 860px)").matches) {
      form.current.querySelector(".form-panel").scrollIntoView({ block: "start", behavior });
    }
  }, [testing]);

  useEffect(() => {
    if (asking) {
      before.current = document.activeElement;
      part("keep")?.focus();
    } else if (before.current) {
      before.current.focus?.();
      before.current = null;
    }
  }, [asking]);

  useEffect(() => {
    if (!dirty) return;
    const guard = (event) => event.preventDefault();
    window.addEventListener("beforeunload", guard);
    return () => window.removeEventListener("beforeunload", guard);
  }, [dirty]);

  useEffect(() => {
    const here = form.current;
    if (revived && shown) {
      const before = collected()[0];
      Object.keys(before).filter((name) => (revived[name] ?? before[name]) !== before[name]).forEach((name) => onTouch(name));
      fill(revived);
      revived = null;
    }
    return () => setTimeout(() => {
      if (here.isConnected || (document.activeElement && document.activeElement !== document.body)) return;
      (opener?.isConnected && opener !== document.body ? opener : document.getElementById("main"))?.focus();
    });
  }, []);

  return (
    <form
      {...rest}
      ref={form}
      noValidate
      autoComplete="off"
      onSubmit={(event) => event.preventDefault()}
      onInput={(event) => touch(event.target)}
      onBlur={leave}
      onClick={(event) => acts[event.target.closest("[data-act]")?.dataset.act]?.()}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || event.nativeEvent.isComposing || event.defaultPrevented) return;
        const plain = event.target.tagName === "INPUT" && event.target.type !== "checkbox" && !event.shiftKey;
        if (event.ctrlKey || event.metaKey || plain) {
          event.preventDefault();
          advance();
        }
      }}
    >
      {children}
    </form>
  );
}

// Never controlled: its value is in no State, here or on the server.
export function SecretInput({ multiline, maxLength, placeholder, id, name, required, invalid, describedBy, title }) {
  const [shown, setShown] = useState(false);
  const attributes = {
    id, name, placeholder,
    maxLength: maxLength || undefined,
    "data-secret": "",
    "aria-required": required || undefined,
    "aria-invalid": invalid || undefined,
    "aria-describedby": describedBy || undefined,
    autoComplete: "new-password", autoCapitalize: "off", autoCorrect: "off", spellCheck: false,
  };
  return (
    <div className={multiline ? "secret tall" : "secret"}>
      {multiline
        ? <textarea {...attributes} rows={3} className={shown ? "input code" : "input code masked"} />
        : <input {...attributes} type={shown ? "text" : "password"} className="input" />}
      <button
        type="button" className="reveal" aria-pressed={shown} aria-controls={id}
        aria-label={`Show ${title.toLowerCase()}`} title={shown ? "Hide" : "Show"}
        onClick={() => setShown(!shown)}
      >
        {shown ? <EyeOff size={17} aria-hidden="true" /> : <Eye size={17} aria-hidden="true" />}
      </button>
    </div>
  );
}

// Emptied before the server answers: what was pasted may hold a password.
export function PasteBox({ id, describedBy, placeholder, maxLength, onText }) {
  const box = useRef(null);
  const send = (text) => {
    box.current.value = "";
    if (text.trim()) onText(text.slice(0, maxLength + 1));
  };
  const take = (event, data) => {
    event.preventDefault();
    send(data?.getData("text") ?? "");
  };
  return (
    <div className="paste">
      <ClipboardPaste size={17} aria-hidden="true" />
      <textarea
        ref={box} id={id} rows={1} placeholder={placeholder} aria-describedby={describedBy}
        data-unchecked="" autoComplete="off" autoCapitalize="off" autoCorrect="off" spellCheck={false}
        onPaste={(event) => take(event, event.clipboardData)}
        onDrop={(event) => take(event, event.dataTransfer)}
        onBlur={(event) => send(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.metaKey) {
            event.preventDefault();
            send(event.target.value);
          }
        }}
      />
    </div>
  );
}

const copyOldWay = (text, near) => {
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  near.parentElement.append(area); // inside the dialog: the focus may not leave it
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  near.focus();
  return done;
};

export function CopyButton({ text, label, words, className }) {
  const [copied, setCopied] = useState(false);
  const button = useRef(null);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch { // no permission, or a page without TLS on another machine
      setCopied(copyOldWay(text, button.current));
    }
  };
  const Icon = copied ? Check : Copy;
  return (
    <button
      ref={button} type="button" onClick={copy} title={words ? undefined : label}
      className={`${className ?? "copy"}${copied ? " done" : ""}`} aria-label={words ? undefined : label}
    >
      <Icon size={15} aria-hidden="true" />
      {words && <span>{copied ? "Copied" : words}</span>}
      <span role="status" className="visually-hidden">{copied ? "Copied" : ""}</span>
    </button>
  );
}

const PARAMETERS = ["new", "edit"];
const asked = (search) => {
  const query = new URLSearchParams(search);
  return PARAMETERS.map((name) => query.get(name) ?? "");
};
const isForm = () => asked(location.search).some(Boolean);

// Keeps the address of the page in step with the dialog, so that Back closes it and a link opens it.
export function FormAddress({ kind, connection, visited, dirty, missed, onVisit, onBack }) {
  const shown = kind || connection;
  const page = useLocation();
  const first = useRef(page.search);
  const was = useRef("");
  const now = useRef({});
  now.current = { shown, dirty, kind, connection };

  const url = () => {
    const query = new URLSearchParams(location.search);
    PARAMETERS.forEach((name) => query.delete(name));
    if (now.current.connection) query.set("edit", now.current.connection);
    else if (now.current.kind) query.set("new", now.current.kind);
    return location.pathname + (query.size ? `?${query}` : "") + location.hash;
  };
  const push = () =>
    history.pushState({ ...history.state, idx: (history.state?.idx ?? 0) + 1, form: true }, "", url());

  useEffect(() => {
    onVisit(...asked(location.search));
    const moved = () => {
      if (isForm()) {
        if (!now.current.shown) onVisit(...asked(location.search));
      } else if (now.current.shown) {
        if (now.current.dirty) push(); // stay until the question is answered
        onBack();
      }
    };
    window.addEventListener("popstate", moved);
    return () => window.removeEventListener("popstate", moved);
  }, []);

  useEffect(() => {
    if (page.search !== first.current && isForm() && !now.current.shown) onVisit(...asked(location.search));
    first.current = page.search;
  }, [page.search]); // a link within the app, which is no popstate

  useEffect(() => {
    if (shown) {
      if (!isForm()) push();
      else if (location.pathname + location.search + location.hash !== url()) history.replaceState(history.state, "", url());
    } else if (was.current && !visited) {
      revived = typed;
      onVisit(...asked(location.search));
    } else if (was.current && isForm()) {
      if (history.state?.form) history.back();
      else history.replaceState(history.state, "", url());
    }
    if (!shown) typed = null;
    was.current = shown;
  }, [shown]);

  useEffect(() => {
    if (missed && !shown && isForm()) history.replaceState(history.state, "", url());
  }, [missed]);

  return null;
}
