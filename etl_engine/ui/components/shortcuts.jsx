import { useEffect, useRef } from "react";
import { useKeys } from "$/public/external/etl_engine/ui/components/keys/keys.jsx";

const APART = 24; // px between the tops of two rows, more than a card is lifted
const cards = () => [...document.querySelectorAll("[data-view]:not([hidden]) [data-card]")];
const centre = (card) => {
  const { left, right, top } = card.getBoundingClientRect();
  return { x: (left + right) / 2, y: top };
};

// The card that an arrow leads to from this one: beside it, or the nearest of the next row.
const neighbour = (all, from, key) => {
  const here = all.indexOf(from);
  if (key === "ArrowLeft" || key === "ArrowRight") return all[here + (key === "ArrowRight" ? 1 : -1)];
  const { x, y } = centre(from);
  const down = key === "ArrowDown";
  const beyond = all.filter((card) => (down ? centre(card).y > y + APART : centre(card).y < y - APART));
  const row = beyond.length && centre(down ? beyond[0] : beyond[beyond.length - 1]).y;
  return beyond
    .filter((card) => Math.abs(centre(card).y - row) < APART)
    .sort((a, b) => Math.abs(centre(a).x - x) - Math.abs(centre(b).x - x))[0];
};

// The keys of the list. A card does by key what its buttons do by click.
export function Shortcuts({ search, onNew }) {
  const last = useRef(0); // which card had the focus: when it goes, the one in its place has it next

  useKeys((key, event) => {
    const card = event.target.closest?.("[data-card]");
    const act = (name) => card?.querySelector(`[data-act="${name}"]`)?.click();
    if (key.startsWith("Arrow")) {
      const all = cards();
      if (!card && event.target !== document.body && event.target.id !== "main") return false;
      const to = card ? neighbour(all, card, key) : all[Math.min(last.current, all.length - 1)];
      to?.querySelector("[data-name]").focus();
      to?.scrollIntoView({ block: "nearest" });
      return Boolean(to);
    }
    if (key === "/") document.getElementById(search)?.focus();
    else if (key === "n") onNew();
    else if (key === "t" && card) act("test");
    else if (key === "d" && card) act("duplicate");
    else if (key === "Delete" && card) act("delete");
    else return false;
    return true;
  });

  useEffect(() => {
    const seen = (event) => {
      const card = event.target.closest?.("[data-card]");
      if (card) last.current = cards().indexOf(card);
    };
    document.addEventListener("focusin", seen);
    return () => document.removeEventListener("focusin", seen);
  }, []);

  return null;
}
