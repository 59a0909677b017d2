import assert from "node:assert/strict";
import nodemailer from "nodemailer";
import { failure, given, step } from "./journey.mjs";

const { host, ports, inbox, friend } = given;
const auth = { user: friend.address, pass: friend.password };
const smtps = { host, port: ports.smtps, secure: true, auth };
const letter = (subject, more = {}) => ({
  from: friend.address,
  to: inbox.address,
  subject: `nodemailer ${subject}`,
  text: "Hi.",
  ...more,
});

const transport = nodemailer.createTransport(smtps);

await step("log in", async () => {
  assert.equal(await transport.verify(), true);
});
await step("send", async () => {
  const sent = await transport.sendMail(letter("plain"));
  assert.deepEqual(sent.accepted, [inbox.address]);
  assert.deepEqual(sent.rejected, []);
});
await step("send text, HTML and an attachment with names beyond ASCII", async () => {
  await transport.sendMail(
    letter("Grüße", {
      from: { name: "Jürgen Ærø", address: friend.address },
      html: "<p>Hi. 你好</p>",
      attachments: [{ filename: "Übersicht.bin", content: Buffer.alloc(100_000, 7) }],
    }),
  );
});
await step("send with STARTTLS and AUTH LOGIN", async () => {
  const starttls = nodemailer.createTransport({
    ...smtps, port: ports.submission, secure: false, requireTLS: true, authMethod: "LOGIN",
  });
  await starttls.sendMail(letter("starttls"));
});
await step("send several over pooled connections", async () => {
  const pool = nodemailer.createTransport({ ...smtps, pool: true, maxConnections: 2 });
  await Promise.all([0, 1, 2, 3, 4].map((n) => pool.sendMail(letter(`pooled ${n}`))));
  pool.close();
});
await step("be refused a wrong password", async () => {
  const wrong = { user: friend.address, pass: "ap_mail_" + "x".repeat(32) };
  const stranger = nodemailer.createTransport({ ...smtps, auth: wrong });
  const error = await failure(() => stranger.verify());
  assert.equal(error.code, "EAUTH");
  assert.equal(error.responseCode, 535);
});
await step("be refused an unknown recipient, and deliver to the others", async () => {
  const nobody = `nobody@${inbox.address.split("@")[1]}`;
  const error = await failure(() => transport.sendMail(letter("nobody", { to: nobody })));
  assert.equal(error.code, "EENVELOPE");
  assert.equal(error.responseCode, 550);
});
await step("be refused another's address", async () => {
  const error = await failure(() => transport.sendMail(letter("forged", { from: inbox.address })));
  assert.equal(error.code, "EENVELOPE");
});
