import { LitElement } from "lit";
import css from "../styles.css?inline";

/**
 * Tailwind's output as one constructed stylesheet, which every shadow root shares.
 *
 * The document adopts it too: `@property` rules count only there (CSS Properties and Values, section 2), and the
 * body has its background from it. A constructed stylesheet is no inline style, so `style-src 'self'` permits it.
 */
const sheet = new CSSStyleSheet();

sheet.replaceSync(css);
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

/** What every element extends: Lit with the application's stylesheet in its shadow root. */
export class BaseElement extends LitElement {
  static override styles = [sheet];
}
