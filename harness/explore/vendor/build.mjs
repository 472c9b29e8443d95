// Bundles regl-scatterplot and what it needs into scatterplot.min.js, which defines the globals createScatterplot and
// createRenderer.
// The licences of everything inside stand at the head of the file, which goes into every page, and in LICENSES.txt.
// SHA256SUMS holds the checksums of all files here; a test compares them.
// kdbush and simplify-js are here for their licences: regl-scatterplot holds copies of their code.
import { createHash } from "node:crypto";
import { build } from "esbuild";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const TOOL = /esbuild/;
const RULE = `\n${"-".repeat(80)}\n\n`;
// In regl-line, by its source: https://mattdesl.svbtle.com/drawing-lines-is-hard
const SHADER = "vertex shader of regl-line (MIT, as above)\n\nThe MIT License (MIT) Copyright (c) 2015 Matt DesLauriers\n";

const result = await build({
  stdin: {
    contents:
      'import createScatterplot, { createRenderer } from "regl-scatterplot";' +
      "Object.assign(globalThis, { createScatterplot, createRenderer });",
    resolveDir: ".",
  },
  bundle: true,
  charset: "ascii",
  format: "iife",
  legalComments: "none",
  mainFields: ["module", "main"],
  minify: true,
  target: "es2020",
  write: false,
});

function license(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json")));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`${name} ${version} (${license}) comes without the text of its licence`);
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
}

const { packages } = JSON.parse(readFileSync("package-lock.json"));
const inside = Object.keys(packages).filter((folder) => folder && !TOOL.test(folder));
const licenses = [...inside.sort().map(license), SHADER].join(RULE);
writeFileSync("LICENSES.txt", licenses);
writeFileSync("scatterplot.min.js", `/*!\n${licenses.replaceAll("*/", "* /")}*/\n${result.outputFiles[0].text}`);

const checksum = (name) => `${createHash("sha256").update(readFileSync(name)).digest("hex")}  ${name}\n`;
const names = readdirSync(".").filter((name) => !["SHA256SUMS", "node_modules"].includes(name));
writeFileSync("SHA256SUMS", names.sort().map(checksum).join(""));
