// An agent of a mailbox in Node: claims, works, hands off, reads its mail. Files only, no package.
//
//     node agent.mjs MAILBOX NAME COMMAND...   COMMAND is given the assignment on stdin; its last line is the summary
//
// In a card, for hubd to start it:  command: [node, /path/to/agent.mjs, "{mailbox}", "{agent}", COMMAND]
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [mailbox, name, ...command] = process.argv.slice(2);
const agent = name || process.env.HUB_AGENT;
const home = join(mailbox || process.env.HUB_MAILBOX, 'agents', agent);
const worker = process.env.HUB_RUN ?? `w-${randomBytes(4).toString('hex')}`;

// A document of the inbox; null where it is gone, which is news too.
function read(path) {
  try {
    const text = readFileSync(path, 'utf8');
    const head = text.split('\n---\n', 1)[0];
    const field = (key) => head.match(new RegExp(`^${key}: (.*)$`, 'm'))?.[1].replace(/^(["'])(.*)\1$/, '$2') ?? '';
    return { path, text, field };
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

const inbox = () =>
  readdirSync(join(home, 'inbox')).filter((f) => f.endsWith('.md')).map((f) => read(join(home, 'inbox', f))).filter(Boolean);

async function until(look) {
  for (;;) {
    const found = look();
    if (found) return found;
    await sleep(50);
  }
}

// Save a document aside, rename it into the outbox, and wait until it is judged. Throws what a bounce says.
async function send(fields, body = '') {
  const file = `${fields.kind}-${randomBytes(6).toString('hex')}.md`;
  const lines = Object.entries(fields).map(([key, value]) => `${key}: ${/^\w[\w.-]*$/.test(value) ? value : JSON.stringify(String(value))}`);
  writeFileSync(join(home, 'drafts', file), ['---', ...lines, '---', body].join('\n'));
  renameSync(join(home, 'drafts', file), join(home, 'outbox', file));
  await until(() => !existsSync(join(home, 'outbox', file)));
  if (!existsSync(join(home, 'refused', file))) return;
  const bounce = await until(() => inbox().find((d) => d.field('about') === `agents/${agent}/outbox/${file}`));
  rmSync(bounce.path, { force: true });
  throw new Error(`${bounce.field('code')}: ${bounce.text.split('\n---\n')[1].split('\n\n')[1]}`);
}

async function work(paper) {
  const on = paper.field('id');
  if (process.env.HUB_RUN && on !== process.env.HUB_ASSIGNMENT) return; // a run does what it was started for
  if (paper.field('state') === 'pending') {
    await send({ kind: 'request', do: 'claim', on, worker });
    await until(() => read(paper.path)?.field('state') !== 'pending');
  }
  const held = read(paper.path);
  if (held?.field('worker') !== worker) return; // it went to somebody else
  const lease = held.field('lease');
  await send({ kind: 'request', do: 'progress', on, lease, note: `running ${command[0]}` });
  const done = spawnSync(command[0], command.slice(1), { input: held.text, encoding: 'utf8' });
  const summary = done.status === 0 ? done.stdout.trim().split('\n').at(-1).slice(0, 400) || 'done' : `it ended with ${done.status}`;
  await send({ kind: 'handoff', assignment: on, lease, outcome: done.status === 0 ? 'done' : 'blocked', summary }, done.stdout ?? '');
}

do {
  for (const paper of inbox()) {
    try {
      if (paper.field('kind') === 'assignment') await work(paper);
      if (paper.field('kind') === 'message') {
        console.log(`${paper.field('from')}: ${paper.field('subject')}`);
        rmSync(paper.path, { force: true });
      }
    } catch (error) {
      console.error(String(error));
    }
  }
  if (!process.env.HUB_RUN) await sleep(500);
} while (!process.env.HUB_RUN);
