// Keys of the editor's page, and the question before what was not saved is left.
import { useEffect, useRef } from "react";
import { useBlocker } from "react-router";
import { Modal } from "$/public/external/etl_engine/ui/components/modal/modal.jsx";

const plain = (path) => path.replace(/\/$/, "");

// What is not stored, as long as this page is open: a server that is started anew knows nothing of it.
let kept = null;

export function Guard({ dirty, place, backup, focus, onSave, onUndo, onRedo, onRevive }) {
  const now = useRef({});
  now.current = { dirty, onSave, onUndo, onRedo };
  const blocker = useBlocker(({ currentLocation: from, nextLocation: to }) =>
    now.current.dirty && plain(from.pathname) !== plain(to.pathname));

  useEffect(() => {
    const press = (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || document.querySelector("dialog[open]")) return;
      const key = event.key.toLowerCase();
      if (key === "s") {
        event.preventDefault();
        window.dispatchEvent(new Event("tell-query"));
        now.current.onSave();
      } else if ((key === "z" || key === "y") && !event.target.closest?.("input, textarea, select, .cm-editor")) {
        event.preventDefault();
        if (key === "y" || event.shiftKey) now.current.onRedo();
        else now.current.onUndo();
      }
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);

  useEffect(() => {
    if (kept?.place === place && !dirty) onRevive(kept.backup);
    kept = null;
  }, []);
  useEffect(() => {
    kept = backup ? { place, backup } : null;
  }, [place, backup]);

  useEffect(() => {
    if (!focus) return;
    const wanted = document.getElementById(focus.split("#")[0]);
    wanted?.focus({ preventScroll: true });
    wanted?.scrollIntoView({ block: "nearest" });
  }, [focus]);

  useEffect(() => {
    if (!dirty) return;
    const guard = (event) => event.preventDefault();
    window.addEventListener("beforeunload", guard);
    return () => window.removeEventListener("beforeunload", guard);
  }, [dirty]);

  const stay = () => blocker.state === "blocked" && blocker.reset();
  return (
    <Modal open={blocker.state === "blocked"} onClose={stay} role="alertdialog" labelledBy="leave-title" describedBy="leave-text" className="confirm">
      <div className="leave-words">
        <h2 id="leave-title">Leave without saving?</h2>
        <p id="leave-text">What was changed in this mapping since it was saved is lost.</p>
      </div>
      <div className="confirm-actions">
        <button type="button" className="button" onClick={stay}>Stay here</button>
        <button type="button" className="button danger" onClick={() => { kept = null; blocker.proceed?.(); }}>Leave</button>
      </div>
    </Modal>
  );
}

// Says when a word changed: what one part of the page did, another part hears of.
export function Heard({ word, onWord }) {
  const last = useRef(word);
  useEffect(() => {
    if (word !== last.current && word) onWord(word);
    last.current = word;
  }, [word]);
  return null;
}
