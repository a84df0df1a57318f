// What the tests use: the built library, a server (its address stands in LINGUA_URL), and a wire to it that can be cut.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import net from "node:net";

export const library = await import(process.env.LINGUA_CLIENT ?? "../dist/index.js");
// Node.js has one from 22 on; before that whoever uses the library brings one.
const own = globalThis.WebSocket ?? (await import("ws")).WebSocket;

export const url = process.env.LINGUA_URL;
export const clip = library.readWav(readFileSync(process.env.LINGUA_CLIP));
/** What a node of these tests says of what it heard. */
export const digest = (samples) => createHash("sha256").update(Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)).digest("hex").slice(0, 16);

export function connect(options = {}) {
  return new library.Lingua({ url, WebSocket: own, ...options });
}

/** A wire to the server; `cut` breaks what goes over it, `close` lets nothing more through. */
export async function lay(t) {
  const { hostname, port } = new URL(url);
  const sockets = new Set();
  let isOpen = true;
  let opened = 0;
  const server = net.createServer((near) => {
    if (!isOpen) {
      near.destroy();
      return;
    }
    opened += 1;
    const far = net.connect(Number(port), hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    cut();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    get opened() {
      return opened;
    },
    cut,
    close() {
      isOpen = false;
      cut();
    },
    open() {
      isOpen = true;
    },
  };
}

/** The first event that is as wanted. */
export async function find(events, isWanted) {
  for await (const event of events) if (isWanted(event)) return event;
  throw new Error("It ended before.");
}

/** What a promise fails with. */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("It did not fail.");
}
