import { Activity, useEffect, useState } from "react";
import { Link, useLocation } from "react-router";
import LayoutGrid from "lucide-react/dist/esm/icons/layout-grid.mjs";
import Rows3 from "lucide-react/dist/esm/icons/rows-3.mjs";

const PARAMETER = "view";
const PAUSE = 200; // ms
const ICONS = { cards: LayoutGrid, table: Rows3 };

// The usual view has no word in the address, and what the address does not know is the usual one.
const chosen = (search, words) => {
  const asked = new URLSearchParams(search).get(PARAMETER);
  return words.find((word) => word === asked) ?? words[0];
};

export function ViewSwitch({ views }) {
  const { search } = useLocation();
  const words = views.map(({ word }) => word);
  const to = (word) => {
    const query = new URLSearchParams(search);
    if (word === words[0]) query.delete(PARAMETER);
    else query.set(PARAMETER, word);
    return { search: query.toString().replaceAll("%2C", ",") };
  };
  return (
    <div role="group" aria-label="View" className="views">
      {views.map(({ word, title }) => {
        const Icon = ICONS[word];
        return (
          <Link
            key={word} to={to(word)} aria-label={title} data-tip={title}
            aria-current={chosen(search, words) === word ? "true" : "false"}
          >
            <Icon size={16} aria-hidden="true" />
          </Link>
        );
      })}
    </div>
  );
}

// All of the views stay in the page, so that a switch neither asks the server nor makes elements. What is out of sight
// is out of the accessibility tree too, and costs neither layout nor, while somebody types, a second drawing of the rows.
export function Views({ views, rows, children }) {
  const { search } = useLocation();
  const words = views.map(({ word }) => word);
  return words.map((word, number) => (
    <View key={word} word={word} shown={chosen(search, words) === word} rows={rows}>
      {children[number]}
    </View>
  ));
}

// React keeps a hidden view from hearing of anything. So after new rows it is woken up, still out of sight, as soon as
// the browser has nothing else to do.
function View({ word, shown, rows, children }) {
  const [awake, setAwake] = useState(false);
  useEffect(() => {
    if (shown) return;
    const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, PAUSE)); // Safari has none
    const handle = idle(() => setAwake(true));
    return () => (window.cancelIdleCallback ?? clearTimeout)(handle);
  }, [rows, shown]);
  useEffect(() => {
    if (awake) setAwake(false);
  }, [awake]);
  return (
    <div data-view={word} hidden={!shown}>
      <Activity mode={shown || awake ? "visible" : "hidden"}>{children}</Activity>
    </div>
  );
}
