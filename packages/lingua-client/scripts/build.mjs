// Compiles src into dist, and writes the microphone's script as a file of its own.
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

rmSync(here("../dist"), { recursive: true, force: true });
execFileSync(process.execPath, [here("../node_modules/typescript/bin/tsc"), "-p", here("..")], { stdio: "inherit" });
const { MICROPHONE_WORKLET } = await import("../dist/worklet.js");
writeFileSync(here("../dist/microphone-worklet.js"), MICROPHONE_WORKLET);
