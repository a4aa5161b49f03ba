// Sends one photo to Songlens and prints its songs. docs/protocol.md explains every step.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { decode, encode } from '@msgpack/msgpack';
import { createClient, RESP_TYPES } from 'redis';

const RESULT_TTL_S = 3600; // how long the reply can be fetched by its id
const BLOCK_MS = 1000; // how long one read of the reply channel waits
const GRACE_MS = 2000; // how long past the deadline to wait for the word that it has passed
const USAGE = 'usage: node client.mjs PHOTO [--redis URL] [--partitions N] [--timeout SECONDS]';
const OPTIONS = {
  redis: { type: 'string', default: process.env.SONGLENS_REDIS_URL ?? 'redis://localhost:6379' },
  partitions: { type: 'string', default: '1' },
  timeout: { type: 'string', default: '30' },
};

class RequestError extends Error {
  constructor({ code, message }) {
    super(`${code}: ${message}`);
  }
}

/** The partition of a request id: CRC-16/XMODEM, as Redis Cluster computes it, modulo the number of partitions. */
function partitionOf(id, partitions) {
  let crc = 0;
  for (const byte of Buffer.from(id)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc % partitions;
}

/** Queues a request and returns the server's clock in milliseconds. Sent twice with one id, it is queued once. */
async function submit(redis, at, { lane, id, client, ttl_ms }, payload) {
  const stream = `${at}:requests:${lane}`;
  const [outcome, number, depth] = await redis.fCall('songlens_submit', {
    keys: [stream, `${stream}:bytes`, `${at}:result:${id}`, `${at}:limits`],
    arguments: [lane, id, client, payload, String(ttl_ms), String(RESULT_TTL_S)],
  });
  if (outcome.toString() !== 'full') return number; // accepted, or pending or done where the id was submitted before
  throw new RequestError({ code: 'queue_full', message: `${depth} requests wait; try again in ${number} ms.` });
}

/** Waits for the reply. The channel brings it; the stored result is the truth when the channel was trimmed or shared. */
async function waitForReply(redis, at, { id, client, ttl_ms }, submittedMs) {
  const until = performance.now() + ttl_ms + GRACE_MS;
  let cursor = `${submittedMs - 1}-0`; // never `$`: a reply that came before the first read would be missed
  while (performance.now() < until) {
    const stored = await redis.get(`${at}:result:${id}`);
    if (stored?.length) return decode(stored); // empty while the request is in flight
    const read = await redis.xRead({ key: `${at}:replies:${client}`, id: cursor }, { BLOCK: BLOCK_MS });
    for (const entry of read?.[0].messages ?? []) {
      if (entry.message.id.toString() === id) return decode(entry.message.m);
      cursor = entry.id;
    }
  }
  throw new RequestError({ code: 'deadline_exceeded', message: 'no answer came in time; is a worker running?' });
}

/** Returns the songs for a photo, or throws the error that the request ended with. */
async function recommend(redis, photo, { partitions, timeoutMs }) {
  const request = { v: 1, id: randomUUID(), client: `node-${randomUUID()}`, lane: 'interactive', ttl_ms: timeoutMs };
  const at = `sl:{${partitionOf(request.id, partitions)}}`; // the hash tag: all keys of a request are in one slot
  const submittedMs = await submit(redis, at, request, Buffer.from(encode({ ...request, image: photo })));
  const reply = await waitForReply(redis, at, request, submittedMs);
  if (reply.status === 'error') throw new RequestError(reply.error);
  return reply.songs;
}

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  const [partitions, timeoutMs] = [Number(values.partitions), Math.round(Number(values.timeout) * 1000)];
  if (positionals.length !== 1 || !(partitions >= 1) || !(timeoutMs >= 1)) throw new Error(USAGE);
  const photo = await readFile(positionals[0]);
  const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer }; // msgpack is bytes, not text
  const redis = createClient({ url: values.redis, socket: { reconnectStrategy: false }, commandOptions: { typeMapping } });
  redis.on('error', () => {}); // what fails is thrown by the command that it fails
  try {
    await redis.connect();
    const songs = await recommend(redis, photo, { partitions, timeoutMs });
    console.table(songs.map(({ title, artist, via }) => ({ title, artist, keyword: via.keyword, line: via.line })));
  } finally {
    if (redis.isOpen) redis.destroy();
  }
}

try {
  await main();
} catch (error) {
  const missing = error.message.includes('Function not found');
  console.error(missing ? 'the functions library is missing; `songlens doctor` and every worker load it' : error.message);
  process.exitCode = 1;
}
