// BullMQ on Redis: worker and driver, measured as drive.py measures the others.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..', 'var', 'peers');
const require = createRequire(join(root, 'bullmq', 'package.json'));
const { Queue, Worker } = require('bullmq');
const Redis = require('ioredis');

const [role, runs, jobs, seconds] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const url = readFileSync(join(root, 'redis-url'), 'utf8').trim();
const KEY = 'bench:started';
const AUDIO = 'A'.repeat(21_000);
const IN_FLIGHT = 50;
const WARM_JOBS = 50;
const START_WITHIN_MS = 60_000;
const connect = () => new Redis(url, { maxRetriesPerRequest: null });
const now = () => process.hrtime.bigint();

async function work() {
  const marks = connect();
  const handle = async (job) => {
    await marks.rpush(KEY, `${job.data.number}:${now()}`);
  };
  new Worker('bench', handle, { connection: connect(), concurrency: IN_FLIGHT });
}

async function drive() {
  const redis = connect();
  const kept = { removeOnComplete: true, removeOnFail: true };
  const queue = new Queue('bench', { connection: connect(), defaultJobOptions: kept });
  const submit = (number) => queue.add('work', { number, audio: AUDIO });
  const find = async (timeout) => {
    const found = await redis.blpop(KEY, timeout);
    return found && BigInt(found[1].split(':')[1]);
  };
  const take = async () => {
    const moment = await find(20);
    if (moment === null) throw new Error('no job started in time');
    return moment;
  };
  const giveUpAt = Date.now() + START_WITHIN_MS;
  while ((await find(1)) === null) {
    if (Date.now() > giveUpAt) throw new Error('the worker did not start');
    await submit(0);
  }
  while ((await find(1)) !== null);

  const latencies = [];
  const rates = [];
  for (let run = 0; run < runs; run += 1) {
    const took = [];
    for (let number = 0; number < WARM_JOBS + jobs; number += 1) {
      const begun = now();
      await submit(number);
      took.push(Number((await take()) - begun) / 1e6);
    }
    const ordered = took.slice(WARM_JOBS).sort((one, other) => one - other);
    latencies.push([ordered[ordered.length >> 1], ordered[Math.floor(ordered.length * 0.99)]]);
  }
  for (let run = 0; run < runs; run += 1) {
    for (let number = 0; number < IN_FLIGHT; number += 1) await submit(number);
    const [begun, used] = [now(), process.cpuUsage()];
    const passed = () => Number(now() - begun) / 1e9;
    let done = 0;
    while (passed() < seconds) {
      await take();
      done += 1;
      await submit(done);
    }
    const { user, system } = process.cpuUsage(used);
    rates.push([done / passed(), (user + system) / 1e6 / passed()]);
    for (let number = 0; number < IN_FLIGHT; number += 1) await take();
  }
  const median = (rows, column) => {
    const ordered = rows.map((row) => row[column]).sort((one, other) => one - other);
    return ordered[ordered.length >> 1];
  };
  const measured = {
    p50_ms: median(latencies, 0),
    p99_ms: median(latencies, 1),
    jobs_per_s: median(rates, 0),
    driver_cpu: median(rates, 1),
  };
  process.stdout.write(JSON.stringify(measured), () => process.exit(0));
}

await (role === 'worker' ? work() : drive());
