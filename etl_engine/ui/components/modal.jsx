import { useEffect, useRef } from "react";

// The browser's own dialog: it keeps the focus, makes the rest of the page inert and gives the focus back.
export function Modal({ open, onClose, children, labelledBy, describedBy, role, className }) {
  const dialog = useRef(null);
  useEffect(() => {
    const here = dialog.current;
    if (open && !here.open) here.showModal();
    if (!open && here.open) here.close();
  }, [open]);
  return (
    <dialog
      ref={dialog} role={role} aria-labelledby={labelledBy} aria-describedby={describedBy}
      className={`modal ${className ?? ""}`}
      onCancel={(event) => {
        event.preventDefault(); // whoever opened it closes it
        onClose();
      }}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      {open ? <div className="modal-body">{children}</div> : null}
    </dialog>
  );
}
