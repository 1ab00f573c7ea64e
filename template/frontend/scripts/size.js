/**
 * Fails when the JavaScript of the first page load is larger than the budget: the scripts that the built index.html
 * names, and what they import statically (Vite lists it there as modulepreload). In kB of 1000 bytes, gzipped.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET = 45;
const BUILD = "dist";

const page = join(BUILD, "index.html");
if (!existsSync(page)) {
  console.error(`${page} is missing. Run \`npm run build\` first.`);
  process.exit(1);
}

const links = readFileSync(page, "utf8").matchAll(/(?:src|href)="(\/[^"]+\.js)"/g);
const sizes = Array.from(links, ([, path]) => ({
  path,
  size: gzipSync(readFileSync(join(BUILD, path)), { level: 9 }).length / 1000,
}));
for (const { path, size } of sizes) console.log(`${size.toFixed(1).padStart(6)} kB  ${path}`);

const total = sizes.reduce((sum, { size }) => sum + size, 0);
const verdict = `First-load JavaScript: ${total.toFixed(1)} kB gzipped, of ${BUDGET} kB.`;
if (sizes.length === 0 || total > BUDGET) {
  console.error(`${verdict} Load what is not needed at once with import(), or raise BUDGET here.`);
  process.exit(1);
}
console.log(verdict);
