import assert from "node:assert/strict";
import { once } from "node:events";
import { ImapFlow } from "imapflow";
import nodemailer from "nodemailer";
import { failure, given, step } from "./journey.mjs";

const { host, ports, inbox, friend } = given;
const account = (pass) => ({
  host, port: ports.imaps, secure: true, auth: { user: inbox.address, pass }, logger: false,
});
const transport = nodemailer.createTransport({
  host, port: ports.smtps, secure: true, auth: { user: friend.address, pass: friend.password },
});
const send = (subject) =>
  transport.sendMail({
    from: friend.address,
    to: inbox.address,
    subject: `imapflow ${subject}`,
    text: "Hi. Grüße.",
    html: "<p>Hi.</p>",
    attachments: [{ filename: "Übersicht.bin", content: Buffer.from("0123456789") }],
  });
const all = async (source) => {
  const found = [];
  for await (const each of source) found.push(each);
  return found;
};

const client = new ImapFlow(account(inbox.password));
client.on("error", (error) => console.error(error));

await step("be refused a wrong password", async () => {
  const error = await failure(() => new ImapFlow(account("ap_mail_" + "x".repeat(32))).connect());
  assert.equal(error.authenticationFailed, true);
});
await step("log in", async () => {
  await client.connect();
  assert.equal(client.serverInfo.name, "AgentPost");
});
await step("list mailboxes with their uses", async () => {
  const listed = await client.list({ statusQuery: { messages: true, unseen: true } });
  const uses = new Map(listed.map((each) => [each.path, each.specialUse]));
  assert.equal(uses.get("INBOX"), "\\Inbox");
  for (const name of ["Sent", "Drafts", "Trash"]) assert.equal(uses.get(name), `\\${name}`);
  assert.equal(listed.find((each) => each.path === "INBOX").status.messages, 0);
});
await step("receive and read", async () => {
  await send("first");
  await send("second");
  await client.mailboxOpen("INBOX");
  assert.equal(client.mailbox.exists, 2);
  const query = { envelope: true, bodyStructure: true, source: true, flags: true, size: true,
    internalDate: true, headers: ["subject"], threadId: true };
  const found = await all(client.fetch("1:*", query));
  assert.deepEqual(found.map((m) => m.envelope.subject), ["imapflow first", "imapflow second"]);
  assert.equal(found[0].envelope.from[0].address, friend.address);
  assert.equal(found[0].bodyStructure.type, "multipart/mixed");
  assert.equal(found[0].source.length, found[0].size);
  assert.equal(String(found[0].headers).trim(), "Subject: imapflow first");
});
await step("download parts, decoded", async () => {
  const message = await client.fetchOne("1", { bodyStructure: true });
  const file = message.bodyStructure.childNodes[1];
  const { meta, content } = await client.download("1", file.part);
  assert.equal(meta.filename, "Übersicht.bin");
  assert.equal((await all(content)).join(""), "0123456789");
  const text = await client.download("1", message.bodyStructure.childNodes[0].childNodes[0].part);
  assert.match((await all(text.content)).join(""), /Grüße/);
});
await step("search", async () => {
  assert.deepEqual(await client.search({ subject: "second" }), [2]);
  assert.deepEqual(await client.search({ body: "Grüße" }, { uid: true }), [1, 2]);
  assert.deepEqual(await client.search({ seen: true, not: { from: "x" } }), []);
  assert.deepEqual(await client.search({ or: [{ subject: "first" }, { to: "nobody" }] }), [1]);
});
await step("flag", async () => {
  assert.equal(await client.messageFlagsAdd("1", ["\\Flagged", "\\Seen", "invoice"]), true);
  const { flags } = await client.fetchOne("1", { flags: true });
  assert.deepEqual([...flags].filter((f) => f !== "\\Recent").sort(), ["\\Flagged", "\\Seen", "invoice"]);
  await client.messageFlagsRemove({ seen: true }, ["\\Seen"]);
  await client.messageFlagsSet("2", ["\\Answered"]);
});
await step("create, subscribe and rename mailboxes beyond ASCII", async () => {
  const created = await client.mailboxCreate(["Flow", "Ünit"]);
  assert.equal(created.path, "Flow/Ünit");
  assert.equal(created.created, true);
  assert.equal((await client.mailboxCreate("Flow/Ünit")).created, false);
  const renamed = await client.mailboxRename("Flow/Ünit", "Flow/Ärger");
  assert.equal(renamed.newPath, "Flow/Ärger");
  await client.mailboxSubscribe("Flow/Ärger");
});
await step("copy and move", async () => {
  const copied = await client.messageCopy("2", "Flow/Ärger");
  assert.equal(copied.uidMap.get(2), 1);
  if (!(await client.list()).some((each) => each.path === "Archive"))
    await client.mailboxCreate("Archive");
  const moved = await client.messageMove("1", "Archive");
  assert.equal(moved.uidMap.get(1), 1);
  assert.equal(client.mailbox.exists, 1);
});
await step("append", async () => {
  const text = "Subject: imapflow draft\r\n\r\nTo be done.\r\n";
  const appended = await client.append("Drafts", text, ["\\Draft", "\\Seen"], new Date(0));
  assert.equal(appended.uid, 1);
  const status = await client.status("Drafts", { messages: true, uidNext: true, uidValidity: true });
  assert.equal(status.messages, 1);
  assert.equal(status.uidNext, 2);
  assert.equal(status.uidValidity, appended.uidValidity);
});
await step("be told at once while idling", async () => {
  const idling = client.idle();
  const told = once(client, "exists", { signal: AbortSignal.timeout(5_000) });
  await new Promise((done) => setTimeout(done, 200));
  await send("idle");
  const [event] = await told;
  assert.equal(event.count, 2);
  await client.noop();
  await idling;
});
await step("be told of another's flags and expunge", async () => {
  const other = new ImapFlow(account(inbox.password));
  await other.connect();
  await other.mailboxOpen("INBOX");
  client.idle();
  await new Promise((done) => setTimeout(done, 200));
  const flagged = once(client, "flags", { signal: AbortSignal.timeout(5_000) });
  await other.messageFlagsAdd("1", ["seenbyother"]);
  assert.ok((await flagged)[0].flags.has("seenbyother"));
  const expunged = once(client, "expunge", { signal: AbortSignal.timeout(5_000) });
  await other.messageDelete("1");
  assert.equal((await expunged)[0].path, "INBOX");
  await other.logout();
  await client.noop();
  assert.equal(client.mailbox.exists, 1);
});
await step("delete a mailbox", async () => {
  const deleted = await client.mailboxDelete("Flow/Ärger");
  assert.equal(deleted.path, "Flow/Ärger");
  await failure(() => client.mailboxOpen("Flow/Ärger"));
});
await step("log out", async () => {
  await client.logout();
});
transport.close();
