import { useEffect } from "react";
import { toast } from "sonner";

// Reflex's own toasts are scripts that the browser evaluates; our content security policy forbids that.
export function Toasts({ latest, onShown, onAccept }) {
  useEffect(() => {
    if (!latest.number) return;
    const show = { ok: toast.success, bad: toast.error }[latest.tone] ?? toast;
    const { action, offer } = latest;
    show(latest.title, {
      id: latest.number,
      description: latest.text,
      duration: action ? 15000 : latest.tone === "bad" ? 12000 : 6000,
      action: action ? { label: action, onClick: () => onAccept(offer) } : undefined,
    });
    onShown(latest.number);
  }, [latest.number]);
  return null;
}
