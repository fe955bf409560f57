// Columns on the left, fields on the right, and the lines between them. A line is drawn by dragging, or by choosing a
// column and then a field; a row has a fixed height, so that nothing has to be measured.
import { useEffect, useRef, useState } from "react";

const PITCH = 52; // px from one row to the next, as in mappings.css
const HEIGHT = 44;
const FAR = 5; // px that a pointer moves before it drags
const middle = (place) => place * PITCH + HEIGHT / 2;

const path = (link, columns, fields) => {
  const froms = link.sources.map((name) => columns.get(name)).filter((place) => place !== undefined);
  const tos = link.targets.map((name) => fields.get(name)).filter((place) => place !== undefined);
  const node = tos.length ? middle(tos[0]) : 0;
  if (froms.length === 1 && tos.length === 1) {
    const [a, b] = [middle(froms[0]), node];
    return `M0 ${a}C45 ${a} 55 ${b} 100 ${b}`;
  }
  return [
    ...froms.map((place) => `M0 ${middle(place)}C34 ${middle(place)} 36 ${node} 62 ${node}`),
    ...tos.map((place) => `M62 ${node}C82 ${node} 84 ${middle(place)} 100 ${middle(place)}`),
  ].join("");
};

export function Board({ columns, fields, links, chosen, field, onConnect, onSelect, onField }) {
  const lane = useRef(null);
  const [armed, setArmed] = useState(""); // the column that waits for a field
  const [drag, setDrag] = useState(null);
  const pressed = useRef(null);
  const places = new Map(columns.map((one, place) => [one.name, place]));
  const targets = new Map(fields.map((one, place) => [one.name, place]));
  const height = Math.max(columns.length, fields.length, 1) * PITCH - (PITCH - HEIGHT);

  useEffect(() => {
    if (armed && !places.has(armed)) setArmed("");
  }, [columns]);

  const under = (event) => document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-field]")?.dataset.field;
  const move = (event) => {
    const start = pressed.current;
    if (!start) return;
    if (!drag && Math.hypot(event.clientX - start.x, event.clientY - start.y) < FAR) return;
    const box = lane.current.getBoundingClientRect();
    setDrag({
      name: start.name, over: under(event),
      x: ((event.clientX - box.left) / box.width) * 100, y: event.clientY - box.top,
    });
  };
  const drop = (event) => {
    const start = pressed.current;
    pressed.current = null;
    if (!drag) return;
    setDrag(null);
    const target = under(event);
    if (start && target) onConnect(start.name, target);
  };
  // By keyboard the focus goes on to the panel; in one column the panel comes into sight.
  const follow = (event) => {
    const panel = document.getElementById("rule-panel");
    if (!event.detail) panel?.focus();
    else if (matchMedia("(max-width: 1100px)").matches) setTimeout(() => panel?.scrollIntoView({ block: "nearest" }), 60);
  };
  const take = (name, event) => {
    if (armed) {
      onConnect(armed, name);
      setArmed("");
      return;
    }
    onField(name);
    follow(event);
  };

  return (
    <div className="board" data-armed={armed ? "" : undefined} onKeyDown={(event) => event.key === "Escape" && setArmed("")}>
      <ul className="board-columns" aria-label="Columns of the query">
        {columns.map((one) => (
          <li key={one.name}>
            <button
              type="button" className="board-column" data-column={one.name} aria-pressed={armed === one.name}
              data-used={one.used || undefined} data-missing={one.native ? undefined : ""}
              onPointerDown={(event) => {
                if (event.button || event.pointerType === "touch") return;
                pressed.current = { name: one.name, x: event.clientX, y: event.clientY };
                event.currentTarget.setPointerCapture(event.pointerId);
              }}
              onPointerMove={move} onPointerUp={drop}
              onPointerCancel={() => { pressed.current = null; setDrag(null); }}
              onClick={() => !drag && setArmed(armed === one.name ? "" : one.name)}
            >
              <b>{one.name}</b>
              <small>{one.native || "not in the query"}</small>
              {one.sample ? <span className="board-sample">{one.sample}</span> : null}
            </button>
          </li>
        ))}
      </ul>
      <div className="board-lane" ref={lane} style={{ height }}>
        <svg viewBox={`0 0 100 ${height}`} preserveAspectRatio="none" aria-hidden="true">
          {links.map((one) => (
            <path
              key={one.id} d={path(one, places, targets)} data-chosen={one.id === chosen || undefined}
              data-problem={one.problem || undefined} vectorEffect="non-scaling-stroke"
            />
          ))}
          {drag ? (
            <path
              className="board-drawn" vectorEffect="non-scaling-stroke"
              d={`M0 ${middle(places.get(drag.name))}L${drag.x} ${drag.y}`}
            />
          ) : null}
        </svg>
        {links.map((one) => (
          <button
            key={one.id} type="button" className="board-link" data-link={one.id} data-type={one.type}
            aria-pressed={one.id === chosen} data-problem={one.problem || undefined}
            style={{ top: middle(targets.get(one.targets[0]) ?? 0) }}
            aria-label={`${one.targets.join(", ")}: ${one.type}${one.sources.length ? ` of ${one.sources.join(", ")}` : ""}${one.said ? `, ${one.said}` : ""}`}
            onClick={(event) => { onSelect(one.id); follow(event); }}
          >
            {one.said}
          </button>
        ))}
      </div>
      <ul className="board-fields" aria-label="Fields of the schema">
        {fields.map((one) => (
          <li key={one.name}>
            <button
              type="button" className="board-field" data-field={one.name} data-over={drag?.over === one.name || undefined}
              aria-pressed={one.rule ? one.rule === chosen : one.name === field}
              data-filled={one.rule ? "" : undefined} data-problem={one.problem || (one.required && !one.rule) || undefined}
              onClick={(event) => take(one.name, event)}
            >
              <b>{one.name}</b>
              <small>
                {one.type}
                {one.key ? <i>key</i> : one.required ? <i>required</i> : null}
              </small>
              <span className="board-said">{one.rule ? one.said : "nothing yet"}</span>
            </button>
          </li>
        ))}
      </ul>
      <p className="visually-hidden" role="status">
        {armed ? `${armed}: choose the field that it fills, or press Escape` : ""}
      </p>
    </div>
  );
}
