import { useEffect, useRef } from "react";

// The browser's own dialog: it keeps the focus, makes the rest of the page inert and gives the focus back.
export function Modal({ open, onClose, children, labelledBy, describedBy, role, className }) {
  const dialog = useRef(null);
  useEffect(() => {
    const here = dialog.current;
    if (open && !here.open) {
      here.showModal();
      here.querySelector('[data-first="true"]')?.focus(); // else the first button has it, which closes the dialog
    }
    if (!open && here.open) here.close();
  }, [open]);
  const leave = () => { // at once; whoever opened it hears of it
    dialog.current.close();
    onClose();
  };
  return (
    <dialog
      ref={dialog} role={role} aria-labelledby={labelledBy} aria-describedby={describedBy}
      className={`modal ${className ?? ""}`}
      onCancel={(event) => {
        event.preventDefault();
        leave();
      }}
      onClick={(event) => event.target === dialog.current && leave()}
    >
      {open ? <div className="modal-body">{children}</div> : null}
    </dialog>
  );
}
