// The peer of the REST benchmark: Hono on Node with postgres.js, over the tables of AgentPost.
// A list asks one question of the database: the messages of a mailbox, newest first.
//
//     node server.mjs <port> <directory of PostgreSQL's socket> <database user>

import { createHash } from 'node:crypto'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import postgres from 'postgres'

const [port, socket, user] = process.argv.slice(2)
const sql = postgres({ host: socket, user, database: 'agentpost', max: 8 })
const keys = new Map()
const app = new Hono()

async function holder(authorization) {
  const secret = (authorization ?? '').replace(/^Bearer /, '')
  const digest = createHash('sha256').update(secret).digest()
  const name = digest.toString('base64')
  if (!keys.has(name)) {
    const [key] = await sql`SELECT id, organization_id FROM api_keys
      WHERE secret_hash = ${digest} AND revoked_at IS NULL`
    if (key === undefined) return null
    keys.set(name, key)
  }
  return keys.get(name)
}

function shown(row) {
  const inbound = row.direction === 'inbound'
  return {
    id: row.id, inbox_id: row.inbox_id, thread_id: row.thread_id,
    environment_id: row.environment_id, direction: row.direction, status: row.state,
    subject: row.subject, from_address: row.sender.from[0] ?? null,
    to_addresses: row.recipients.to, cc_addresses: row.recipients.cc,
    bcc_addresses: inbound ? [] : row.recipients.bcc, reply_to: row.sender.reply_to,
    labels: row.keywords, folder: row.folder, seen: (row.flags & 1) !== 0,
    flagged: (row.flags & 4) !== 0, answered: (row.flags & 2) !== 0,
    has_attachments: row.attachments > 0, preview: row.preview, source: row.source,
    size: row.size, rfc_message_id: row.rfc_message_id, in_reply_to: row.in_reply_to,
    automated: row.automated, delivered_to: row.delivered_to, metadata: row.metadata,
    modseq: row.modseq, created_at: row.created_at,
  }
}

app.get('/api/v1/inboxes/:inbox/messages', async (context) => {
  const key = await holder(context.req.header('authorization'))
  if (key === null) return context.json({ code: 'unauthenticated' }, 401)
  const limit = Number(context.req.query('limit') ?? 20)
  const before = context.req.query('cursor') ?? '9223372036854775807'
  const rows = await sql`SELECT m.id, m.inbox_id, m.thread_id, m.environment_id, m.direction,
      m.state, m.subject, m.sender, m.recipients, m.attachments, m.preview, m.source, m.size,
      m.rfc_message_id, m.in_reply_to, m.automated, m.delivered_to, m.metadata, m.created_at,
      p.flags, p.keywords, p.modseq, p.uid, b.name AS folder
    FROM placements p JOIN messages m ON m.id = p.message_id
      JOIN mailboxes b ON b.id = p.mailbox_id
    WHERE p.mailbox_id = (SELECT c.id FROM inboxes i JOIN mailboxes c ON c.inbox_id = i.id
        WHERE i.address = ${context.req.param('inbox')} AND c.name = 'INBOX'
          AND i.organization_id = ${key.organization_id})
      AND p.uid < ${before}
    ORDER BY p.uid DESC LIMIT ${limit + 1}`
  const more = rows.length > limit
  const page = rows.slice(0, limit)
  const body = JSON.stringify({
    data: page.map(shown), next_cursor: more ? page.at(-1).uid : null, has_more: more,
  })
  return context.body(body, 200, {
    'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)),
  })
})

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(port) })
