"""When something came onto a screen, told by the page itself: a test that polls would add its own rhythm to it."""

from dataclasses import dataclass

from playwright.sync_api import Page

_WATCH = """
([selector, text, gone]) => {
  const there = () => [...document.querySelectorAll(selector)].some((one) => one.textContent.includes(text)) !== gone;
  if (there()) return false;
  window.seenAt = new Promise((resolve, reject) => {
    const look = () => {
      if (!there()) return;
      observer.disconnect();
      clearTimeout(late);
      requestAnimationFrame(() => resolve(Date.now()));
    };
    const observer = new MutationObserver(look);
    const late = setTimeout(() => reject(new Error(`${selector} ${text} ${gone ? "stayed" : "never came"}`)), 15_000);
    observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
  });
  return true;
}
"""


@dataclass(frozen=True)
class Sight:
    """An element with a text, or its absence."""

    selector: str
    text: str = ""
    gone: bool = False


class Watched:
    """A page that waits for a sight."""

    def __init__(self, page: Page, sight: Sight) -> None:
        self._page = page
        news = page.evaluate(_WATCH, [sight.selector, sight.text, sight.gone])
        assert news, f"{sight} is so already"

    def at(self) -> float:
        """Seconds since the epoch, when the frame with it was drawn."""
        return float(self._page.evaluate("window.seenAt")) / 1000
