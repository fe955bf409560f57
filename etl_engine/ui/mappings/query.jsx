// The query editor: CodeMirror 6, bundled. What is typed is told a moment later, and at once when the focus leaves.
import { useEffect, useRef } from "react";
import { autocompletion, acceptCompletion, closeBrackets, closeBracketsKeymap, closeCompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { MySQL, PostgreSQL, SQLDialect, SQLite, StandardSQL, sql } from "@codemirror/lang-sql";
import { Compartment, EditorState, Prec } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

// Words that a grammar knows, and that are names of columns wherever people write queries.
const NAMES = /\b(id|name|names|type|value|key|label|level|location|state|source|target|user|version|year|month|day|date|time|text)\b/g;
const plain = (dialect) => SQLDialect.define({ ...dialect.spec, keywords: (dialect.spec?.keywords ?? "").replace(NAMES, "") });
const postgres = plain(PostgreSQL);
const DIALECTS = { postgresql: postgres, mysql: plain(MySQL), sqlite: plain(SQLite), duckdb: postgres };
// Sizes are said here and not in a style sheet: the editor measures its lines before one may have come.
const sizes = EditorView.theme({
  "&": { fontSize: "13px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "20px" },
  ".cm-content": { padding: "8px 0" },
});
const SOON = 250; // ms of silence before the server hears what was typed

// "schema.table" -> columns, as lang-sql wants it; a schema that is alone needs no name before its tables.
const language = (dialect, tables) => {
  const schema = {};
  const spaces = new Set();
  for (const [name, columns] of Object.entries(tables ?? {})) {
    const [table, space] = name.split(".").reverse();
    if (space) {
      spaces.add(space);
      (schema[space] ??= {})[table] = columns;
    } else schema[table] = columns;
  }
  const usual = spaces.has("public") ? "public" : spaces.size === 1 ? [...spaces][0] : undefined;
  return sql({ dialect: DIALECTS[dialect] ?? StandardSQL, schema, defaultSchema: usual, upperCaseKeywords: true });
};

export function QueryEditor({ id, text, turn, dialect, tables, label, describedBy, invalid, onText, onPreview }) {
  const place = useRef(null);
  const view = useRef(null);
  const spoken = useRef(new Compartment());
  const attributes = useRef(new Compartment());
  const told = useRef(text);
  const timer = useRef(0);
  const now = useRef({});
  now.current = { onText, onPreview };

  const tell = () => {
    clearTimeout(timer.current);
    const typed = view.current?.state.doc.toString() ?? told.current;
    if (typed !== told.current) {
      told.current = typed;
      now.current.onText(typed);
    }
  };
  const named = () => EditorView.contentAttributes.of({
    id, "aria-label": label, "aria-multiline": "true", role: "textbox",
    "aria-invalid": invalid ? "true" : "false", ...(describedBy ? { "aria-describedby": describedBy } : {}),
  });

  useEffect(() => {
    const preview = (editor) => {
      closeCompletion(editor);
      tell();
      now.current.onPreview();
      return true;
    };
    view.current = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: text,
        extensions: [
          Prec.highest(keymap.of([{ key: "Mod-Enter", run: preview }, { key: "Tab", run: acceptCompletion }])),
          lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(),
          autocompletion(), highlightActiveLine(), EditorView.lineWrapping,
          sizes, syntaxHighlighting(classHighlighter),
          placeholder("SELECT …"),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap]),
          spoken.current.of(language(dialect, tables)),
          attributes.current.of(named()),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged) return;
            clearTimeout(timer.current);
            timer.current = setTimeout(tell, SOON);
          }),
          EditorView.domEventHandlers({ blur: () => tell() }),
        ],
      }),
    });
    document.fonts?.ready.then(() => view.current?.requestMeasure());
    window.addEventListener("tell-query", tell);
    return () => {
      window.removeEventListener("tell-query", tell);
      clearTimeout(timer.current);
      view.current.destroy();
      view.current = null;
    };
  }, []);

  useEffect(() => {
    told.current = text;
    const editor = view.current;
    if (editor.state.doc.toString() !== text) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text } });
      clearTimeout(timer.current);
    }
  }, [turn]);

  useEffect(() => {
    view.current.dispatch({ effects: spoken.current.reconfigure(language(dialect, tables)) });
  }, [dialect, tables]);

  useEffect(() => {
    view.current.dispatch({ effects: attributes.current.reconfigure(named()) });
  }, [invalid, describedBy]);

  return <div ref={place} className={invalid ? "query-editor invalid" : "query-editor"} />;
}
