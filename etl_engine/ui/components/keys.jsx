import { useEffect, useRef, useState } from "react";
import { Modal } from "$/public/external/etl_engine/ui/components/modal/modal.jsx";

const dialogOpen = () => document.querySelector('dialog[open], [role="dialog"][data-state="open"]');
const typing = (element) => element.closest?.("input, textarea, select, [contenteditable]");

// `press` is told of every key that nobody else waits for, and answers whether it was one of its own.
export function useKeys(press) {
  const latest = useRef(press);
  latest.current = press;
  useEffect(() => {
    const down = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
      if (dialogOpen() || typing(event.target)) return;
      if (latest.current(event.key, event)) event.preventDefault();
    };
    document.addEventListener("keydown", down);
    return () => document.removeEventListener("keydown", down);
  }, []);
}

export function KeySheet({ children }) {
  const [open, setOpen] = useState(false);
  useKeys((key) => {
    if (key === "?") setOpen(true);
    return key === "?";
  });
  useEffect(() => {
    const show = () => setOpen(true);
    window.addEventListener("show-keys", show);
    return () => window.removeEventListener("show-keys", show);
  }, []);
  return (
    <Modal open={open} onClose={() => setOpen(false)} labelledBy="keys-title" className="keys">
      {children}
      <button type="button" className="button" onClick={() => setOpen(false)}>Close</button>
    </Modal>
  );
}
