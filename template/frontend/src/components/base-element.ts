import { LitElement } from "lit";
import { sheet } from "../styles";

/** What every element extends: Lit with the application's stylesheet in its shadow root. */
export class BaseElement extends LitElement {
  static override styles = [sheet];
}
