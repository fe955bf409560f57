// Rows of a preview: both sides of each in one line of the table, and under a row that does not fit why.
import { Fragment, memo } from "react";
import TriangleAlert from "lucide-react/dist/esm/icons/triangle-alert.mjs";

const cell = (text, side, place) => (
  <td key={side + place} className={text === null ? `${side} null` : side}>{text === null ? "NULL" : text}</td>
);

const Row = memo(function Row({ number, given, made, results, refusal }) {
  return (
    <Fragment>
      <tr className={refusal ? "refused" : undefined}>
        <th scope="row">{number}</th>
        {given.map((text, place) => cell(text, "source", place))}
        {made
          ? made.map((text, place) => cell(text, "result", place))
          : results ? <td className="result bad" colSpan={results}>kept apart</td> : null}
      </tr>
      {refusal ? (
        <tr className="refusal-line">
          <td />
          <td colSpan={given.length + results}><TriangleAlert size={13} aria-hidden="true" />{refusal}</td>
        </tr>
      ) : null}
    </Fragment>
  );
}, (before, now) =>
  before.given === now.given && before.refusal === now.refusal && before.results === now.results
  && JSON.stringify(before.made) === JSON.stringify(now.made));

const heads = (side, columns) => columns.map((one, place) => (
  <th key={side + place} scope="col" className={side}>{one.name}<small>{one.native}</small></th>
));

export function RowsTable({ given, made, refusals }) {
  const results = made.heads.length;
  return (
    <div className="preview-box" role="region" aria-label="The first rows" tabIndex={0}>
      <table>
        <caption className="visually-hidden">The first rows</caption>
        <thead>
          <tr className="groups">
            <td />
            <th scope="colgroup" colSpan={given.heads.length} className="source">Source</th>
            {results ? <th scope="colgroup" colSpan={results} className="result">Result</th> : null}
          </tr>
          <tr>
            <th scope="col">#</th>
            {heads("source", given.heads)}
            {heads("result", made.heads)}
          </tr>
        </thead>
        <tbody>
          {given.rows.map((row, place) => (
            <Row
              key={place} number={place + 1} given={row} made={results ? made.rows[place] : null}
              results={results} refusal={refusals[place] ?? ""}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}
