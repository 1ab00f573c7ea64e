import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import { configs as lit } from "eslint-plugin-lit";
import litA11y from "eslint-plugin-lit-a11y";
import { configs as wc } from "eslint-plugin-wc";
import ts from "typescript-eslint";

export default defineConfig(
  globalIgnores(["coverage", "dist", "playwright-report", "test-results"]),
  js.configs.recommended,
  ts.configs.strictTypeChecked,
  ts.configs.stylisticTypeChecked,
  lit["flat/recommended"],
  wc["flat/recommended"],
  wc["flat/best-practice"],
  {
    plugins: { "lit-a11y": litA11y },
    rules: litA11y.configs.recommended.rules,
    settings: { wc: { elementBaseClasses: ["BaseElement", "LitElement"] } },
    languageOptions: { parserOptions: { projectService: true } },
  },
  {
    rules: {
      // Lit calls a template's listeners with the element as `this`.
      "@typescript-eslint/unbound-method": "off",
      // LitElement has all the lifecycle callbacks.
      "wc/guard-super-call": "off",
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: true },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: ["**/*.js"],
    extends: [ts.configs.disableTypeChecked],
    languageOptions: { globals: { console: "readonly", process: "readonly" } },
  },
);
