// Sends one photo to Songlens and prints its songs. docs/protocol.md explains every step.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { decode, encode } from '@msgpack/msgpack';
import { createClient, RESP_TYPES } from 'redis';

const AT = 'sl:{0}'; // the one partition of the default setting; the hash tag keeps all keys of a request in one slot
const RESULT_TTL_S = 3600; // how long the reply can be fetched by its id
const GRACE_MS = 2000; // how long past the deadline to wait for the word that it has passed

/** Queues a request and returns the server's clock in milliseconds. Sent twice with one id, it is queued once. */
async function submit(redis, { lane, id, client, ttl_ms }, payload) {
  const stream = `${AT}:requests:${lane}`;
  const [outcome, number, depth] = await redis.fCall('songlens_submit', {
    keys: [stream, `${stream}:bytes`, `${AT}:result:${id}`, `${AT}:limits`, `${AT}:place:${id}`],
    arguments: [lane, id, client, payload, String(ttl_ms), String(RESULT_TTL_S)],
  });
  if (outcome.toString() !== 'full') return number; // accepted, or pending or done where the id was submitted before
  throw new Error(`queue_full: ${depth} requests wait; try again in ${number} ms.`);
}

/** Waits for the reply. The channel brings it; the stored result is the truth when the channel was trimmed or shared. */
async function waitForReply(redis, { id, client, ttl_ms }, submittedMs) {
  const until = performance.now() + ttl_ms + GRACE_MS;
  let cursor = `${submittedMs - 1}-0`; // never `$`: a reply that came before the first read would be missed
  while (performance.now() < until) {
    const stored = await redis.get(`${AT}:result:${id}`);
    if (stored?.length) return decode(stored); // empty while the request is in flight
    const read = await redis.xRead({ key: `${AT}:replies:${client}`, id: cursor }, { BLOCK: 1000 });
    for (const entry of read?.[0].messages ?? []) {
      if (entry.message.id.toString() === id) return decode(entry.message.m);
      cursor = entry.id;
    }
  }
  throw new Error('deadline_exceeded: no answer came in time; is a worker running?');
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { redis: { type: 'string', default: 'redis://localhost:6379' }, timeout: { type: 'string', default: '30' } },
});
const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer }; // msgpack is bytes, not text
const redis = createClient({ url: values.redis, socket: { reconnectStrategy: false }, commandOptions: { typeMapping } });
redis.on('error', () => {}); // what fails is thrown by the command that it fails
try {
  const ttl_ms = Math.round(Number(values.timeout) * 1000);
  if (positionals.length !== 1 || !(ttl_ms > 0)) throw new Error('usage: node client.mjs PHOTO [--redis URL] [--timeout S]');
  const request = { v: 1, id: randomUUID(), client: `node-${randomUUID()}`, lane: 'interactive', ttl_ms };
  const photo = await readFile(positionals[0]);
  await redis.connect();
  const submittedMs = await submit(redis, request, Buffer.from(encode({ ...request, image: photo })));
  const { error, songs } = await waitForReply(redis, request, submittedMs);
  if (error) throw new Error(`${error.code}: ${error.message}`);
  console.table(songs.map(({ title, artist, via }) => ({ title, artist, keyword: via.keyword, line: via.line })));
} catch (error) {
  const missing = error.message.includes('Function not found');
  console.error(missing ? 'the functions library is missing; `songlens doctor` and every worker load it' : error.message);
  process.exitCode = 1;
}
if (redis.isOpen) redis.destroy();
